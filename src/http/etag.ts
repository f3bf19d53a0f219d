import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.ts'
import { ok, type Answer } from './answer.ts'

/** A resource in one of its revisions. */
interface Revised {
  id: string
  /** A number that is stored; text where the representation also depends on other rows. */
  revision: number | string
}

/** A request, by whose `If-Match` or `If-None-Match` it is decided. */
interface Conditional {
  headers: IncomingHttpHeaders
}

/** The entity tag of a resource in one revision: two representations with the same tag are the same. */
function etagOf ({ id, revision }: Revised): string {
  return `"${id.slice(-12)}-${revision}"`
}

/** The headers of a representation: its owner's caches may store it, and revalidate it each time. */
export function validators (row: Revised): { etag: string, 'cache-control': string } {
  return { etag: etagOf(row), 'cache-control': 'private, no-cache' }
}

/** The resource with its validators; 304 where the client has this revision already. */
export function representation<Row extends Revised> (
  request: Conditional,
  row: Row
): Answer<200, Row> | Answer<304, undefined> {
  const headers = validators(row)
  return isNotModified(request, headers.etag) ? { status: 304, headers, body: undefined } : ok(row, headers)
}

/** How long any cache may use an answer that depends on nothing but its request, in seconds. */
const PUBLIC_MAX_AGE_S = 86_400

/**
 * An answer that is the same for everybody, and depends on nothing but the request and this version of the service: any
 * cache may store it, and revalidates it after a day by a tag of its content.
 */
export function publicRepresentation<Body> (
  request: Conditional,
  body: Body
): Answer<200, Body> | Answer<304, undefined> {
  const etag = `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`
  const headers = { etag, 'cache-control': `public, max-age=${PUBLIC_MAX_AGE_S}` }
  return isNotModified(request, etag) ? { status: 304, headers, body: undefined } : ok(body, headers)
}

/** Whether the client has what the tag stands for already, by `If-None-Match`, which compares weakly. */
export function isNotModified ({ headers }: Conditional, etag: string): boolean {
  const known = headers['if-none-match']
  return known !== undefined && includesTag(known.replaceAll('W/', ''), etag)
}

/**
 * Checks `If-Match` where the request has one. Without a row the resource exists and has no entity tag: only `*`
 * matches.
 * @throws AppError PRECONDITION_FAILED where the resource is in another revision than the client expects
 */
export function requireMatch ({ headers }: Conditional, row?: Revised): void {
  const expected = headers['if-match']
  if (expected === undefined) return
  if (!includesTag(expected, row === undefined ? undefined : etagOf(row))) throw preconditionFailed()
}

/**
 * Optimistic concurrency: reads a resource and writes it on the condition that it is still in the revision that was
 * read, and reads it anew where another request changed it in between (`write` then answers undefined). With `If-Match`
 * such a change ends in 412; without, the write is applied to what the other request made of it. Of several writers one
 * always succeeds, so that the loop ends, at the latest with the deadline of the request.
 * @throws what `read` and `write` throw; AppError PRECONDITION_FAILED as `requireMatch` does
 */
export async function writeOptimistically<Row extends Revised, Result> (
  request: Conditional,
  read: () => Promise<Row>,
  write: (row: Row) => Promise<Result | undefined>
): Promise<Result> {
  for (;;) {
    const row = await read()
    requireMatch(request, row)
    const result = await write(row)
    if (result !== undefined) return result
  }
}

export function preconditionFailed (): AppError {
  return new AppError('PRECONDITION_FAILED', 'It was changed in between: read it again')
}

/** Whether a list of entity tags, as in `If-Match`, is `*` or includes this one. */
function includesTag (list: string, etag: string | undefined): boolean {
  return list.trim() === '*' || list.split(',').some((tag) => tag.trim() === etag)
}
