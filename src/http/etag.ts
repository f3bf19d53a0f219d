import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** What a resource is in one revision: two answers with the same tag are the same. */
export function etagOf ({ id, revision }: { id: string, revision: number }): string {
  return `"${id.slice(-12)}-${revision}"`
}

/** Puts the ETag of what is answered on it: caches may keep it, for its owner, if they ask each time. */
export function tag<Row extends { id: string, revision: number }> (reply: FastifyReply, row: Row): Row {
  reply.header('etag', etagOf(row)).header('cache-control', 'private, no-cache')
  return row
}

/** Answers one resource with its ETag; 304 where the caller has it already. */
export function sendTagged<Row extends { id: string; revision: number }> (
  request: FastifyRequest,
  reply: FastifyReply,
  row: Row
): Row | undefined {
  tag(reply, row)
  return isNotModified(request, reply, etagOf(row)) ? undefined : row
}

/**
 * Whether the caller has what the tag stands for already, by `If-None-Match`: then the answer is 304, and has no body.
 */
export function isNotModified (request: FastifyRequest, reply: FastifyReply, etag: string): boolean {
  const known = request.headers['if-none-match']
  if (known === undefined || !names(known.replaceAll('W/', ''), etag)) return false
  reply.code(304)
  return true
}

/**
 * Without a row it is of something that is there and has no ETag to go by.
 * @throws AppError PRECONDITION_FAILED where the caller goes by another state of it than the present one.
 */
export function requireMatch (request: FastifyRequest, row?: { id: string, revision: number }): void {
  const wanted = request.headers['if-match']
  if (wanted !== undefined && !names(wanted, row === undefined ? undefined : etagOf(row))) throw preconditionFailed()
}

/**
 * Does something to a resource as it was read. Where somebody was faster in between, for which `act` answers undefined,
 * it is done to what that one made of it: who says by `If-Match` what it goes by is told that this is another now, and
 * nobody else is. One of those who are in each other's way always gets through, and none goes on for longer than a
 * request may take.
 * @throws what `read` and `act` throw; AppError PRECONDITION_FAILED as `requireMatch` does
 */
export async function asItIs<Row extends { id: string; revision: number }, Result> (
  request: FastifyRequest,
  read: () => Promise<Row>,
  act: (row: Row) => Promise<Result | undefined>
): Promise<Result> {
  for (;;) {
    const row = await read()
    requireMatch(request, row)
    const result = await act(row)
    if (result !== undefined) return result
  }
}

export function preconditionFailed (): AppError {
  return new AppError('PRECONDITION_FAILED', 'It was changed in between: read it again')
}

function names (header: string, etag: string | undefined): boolean {
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim() === etag)
}
