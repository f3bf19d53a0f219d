import type { Answer, Runner } from './service.ts'
import { until } from './imports.ts'

/** A file of a form. */
export interface SentFile { name: string, bytes: Buffer, field?: string }

/** A form with these files, as browsers and curl send it. */
export function formOf (files: SentFile[]): { payload: Buffer, headers: Record<string, string> } {
  const boundary = 'a-boundary-of-the-tests'
  const parts = files.flatMap(({ name, bytes, field = 'files' }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n'
    ),
    bytes,
    Buffer.from('\r\n')
  ])
  return {
    payload: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }
  }
}

/** Sends files as a bulk import. */
export async function sendAll (
  ann: Runner,
  files: SentFile[],
  { query = '', headers = {} }: { query?: string, headers?: Record<string, string> } = {}
): Promise<Answer> {
  const form = formOf(files)
  return await ann.call('POST', `/imports${query}`, form.payload, { ...form.headers, ...headers })
}

export interface ReportedFile {
  name: string
  status: string
  reason: string | null
  reason_code: string | null
  activity_id: string | null
}

/** The import when it has ended, and what became of its files. */
export async function ended (ann: Runner, id: string): Promise<{ import: Answer['body'], files: ReportedFile[] }> {
  let found: Answer['body']
  await until(async () => {
    found = (await ann.call('GET', `/imports/${id}`)).body
    return !['queued', 'running'].includes(found.status)
  })
  return { import: found, files: (await ann.call('GET', `/imports/${id}/files?limit=200`)).body.items }
}

/** Sends files, and waits for what became of them. */
export async function importAll (
  ann: Runner,
  files: SentFile[],
  options?: Parameters<typeof sendAll>[2]
): Promise<{ import: Answer['body'], files: ReportedFile[] }> {
  const accepted = await sendAll(ann, files, options)
  if (accepted.status !== 202) throw new Error(`The import was answered ${accepted.status}: ${JSON.stringify(accepted.body)}`)
  return await ended(ann, accepted.body.import.id)
}
