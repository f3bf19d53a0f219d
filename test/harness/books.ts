import type { Test } from 'tap'
import type { Service } from './service.ts'
import type { RawAnswer } from './raw-http.ts'

/** The headers of every response. */
export const SECURITY = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block'
}
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/
const PATIENCE_MS = 20_000

/**
 * The violation of a rule that every response must follow; undefined if there is none.
 */
export function flawOf ({ status, headers, body }: RawAnswer): string | undefined {
  for (const [name, value] of Object.entries(SECURITY)) { if (headers[name] !== value) return `${name} is ${headers[name]}` }
  if (!headers['content-security-policy']?.startsWith("default-src 'self'")) return 'no content-security-policy'
  if (!REQUEST_ID.test(headers['x-request-id'] ?? '')) return 'no x-request-id'
  for (const name of ['server', 'x-powered-by']) if (headers[name] !== undefined) return `it tells its ${name}`
  if (status < 400) return undefined
  if (headers['content-type'] !== 'application/json; charset=utf-8') { return `an error of type ${headers['content-type']}` }
  if (headers['cache-control'] !== 'no-store') return 'an error that may be cached'
  // The response to HEAD.
  if (body === '') return undefined
  const { error_id: id, error_code: code, message, timestamp, ...others } = JSON.parse(body) as Record<string, unknown>
  if (
    !UUID.test(String(id)) ||
    typeof code !== 'string' ||
    typeof message !== 'string' ||
    Number.isNaN(Date.parse(String(timestamp)))
  ) { return 'no envelope' }
  if (Object.keys(others).some((key) => key !== 'details')) return `an envelope with ${Object.keys(others).join()}`
  return undefined
}

/** The number of requests according to each counter. */
interface Counts { lines: number, aborted: number, requests: number, errors: number, failed: number }

/**
 * Starts the accounting of a service: `balance` then checks that since then every response received by a client has one
 * completion line and one count, and so has every request whose client disconnected (499); that every error is in the
 * log and in its counter; and that no request is in flight.
 */
export async function openBooks (service: Service): Promise<{ balance (t: Test, answers: number): Promise<void> }> {
  const before = await counts(service)
  return {
    async balance (t, answers) {
      const began = performance.now()
      while (service.app.inFlight.size > 0 && performance.now() - began < PATIENCE_MS) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      t.equal(service.app.inFlight.size, 0, 'nothing is in flight')
      const after = await counts(service)
      const lines = after.lines - before.lines
      const aborted = after.aborted - before.aborted
      t.equal(lines - aborted, answers, 'as many lines as answers')
      t.equal(after.requests - before.requests, lines, 'as many counts as lines')
      t.equal(after.errors - before.errors, after.failed - before.failed, 'as many errors counted as logged')
    }
  }
}

/** The scrape is itself a request, which does not count. */
async function counts ({ app, lines }: Service): Promise<Counts> {
  const text = (await app.inject({ url: '/metrics', headers: { 'x-request-id': 'books' } })).body
  const sum = (name: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && !line.includes('route="/metrics"'))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  const completed = lines.filter(({ message, path }) => message === 'request completed' && path !== '/metrics')
  const aborted = completed.filter(({ status_code: status }) => status === 499)
  const failed = completed.filter(({ status_code: status }) => status as number >= 400 && status !== 499)
  return {
    lines: completed.length,
    aborted: aborted.length,
    requests: sum('http_request_duration_seconds_count'),
    errors: sum('http_errors_total'),
    failed: failed.length
  }
}
