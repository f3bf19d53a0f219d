import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Answer, Runner } from './service.ts'

/** The recordings beside the project's documentation. */
export const EXAMPLES = ['easy-run.fit', 'hill-run.fit', 'park-run.gpx', 'track-session.tcx']

export function example (name: string): Buffer {
  return readFileSync(join('examples', name))
}

/** Imports a recording as its bytes. */
export async function send (
  ann: Runner,
  bytes: Buffer,
  { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {}
): Promise<Answer> {
  return await ann.call('POST', `/activities/import${query}`, bytes, {
    'content-type': 'application/octet-stream',
    ...headers
  })
}

/** A form with one file, as browsers and curl send it, or with several. */
export function form (
  name: string,
  bytes: Buffer,
  ...others: Buffer[]
): { payload: Buffer, headers: Record<string, string> } {
  const boundary = 'a-boundary-of-the-tests'
  const head = [
    `--${boundary}`,
    `Content-Disposition: form-data; name="file"; filename="${name}"`,
    'Content-Type: application/octet-stream',
    '\r\n'
  ].join('\r\n')
  const files = [bytes, ...others].flatMap((each) => [Buffer.from(head), each, Buffer.from('\r\n')])
  return {
    payload: Buffer.concat([...files, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }
  }
}

/** Looks again until the condition holds. */
export async function until (holds: () => boolean | Promise<boolean>): Promise<void> {
  const latest = performance.now() + 30_000
  while (!await holds()) {
    if (performance.now() > latest) throw new Error(`It never came to be: ${String(holds)}`)
    await setTimeout(5)
  }
}
