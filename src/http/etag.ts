import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** What a resource is in one revision: two answers with the same tag are the same. */
export function etagOf ({ id, revision }: { id: string, revision: number }): string {
  return `"${id.slice(-12)}-${revision}"`
}

/** Answers one resource with its ETag; 304 where the caller has it already. */
export function sendTagged<Row extends { id: string, revision: number }> (request: FastifyRequest, reply: FastifyReply, row: Row): Row | undefined {
  const etag = etagOf(row)
  reply.header('etag', etag).header('cache-control', 'private, no-cache')
  const known = request.headers['if-none-match']
  if (known === undefined || !names(known.replaceAll('W/', ''), etag)) return row
  reply.code(304)
  return undefined
}

/**
 * @throws AppError PRECONDITION_FAILED where the caller goes by another state of it than the present one.
 */
export function requireMatch (request: FastifyRequest, row: { id: string, revision: number }): void {
  const wanted = request.headers['if-match']
  if (wanted !== undefined && !names(wanted, etagOf(row))) throw preconditionFailed()
}

export function preconditionFailed (): AppError {
  return new AppError('PRECONDITION_FAILED', 'It was changed in between: read it again')
}

function names (header: string, etag: string): boolean {
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim() === etag)
}
