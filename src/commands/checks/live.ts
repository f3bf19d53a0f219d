import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../../config/config.ts'
import { failed, ok, warning } from './check.ts'
import type { Check } from './check.ts'

const NAMES = ['liveness', 'readiness', 'health', 'error_tracking', 'security_headers', 'monitoring'] as const

/** How long a running service may take to answer one request, in ms. */
const PATIENCE_MS = 5000

/** The largest response that is read; that of /metrics is the longest. */
const LARGEST_ANSWER = 16 * 1024 * 1024

/** The alert rules need a scrape at least every five minutes. */
const SCRAPE_EVERY_S = 300

interface Answer { status: number, headers: IncomingHttpHeaders, body: string }

/** Checks of a running service, if one listens at HOST:PORT. */
export async function checkService (config: Config): Promise<Check[]> {
  const { host, port } = config.server
  if (port === 0) {
    return notChecked(
      'PORT=0: the port of a running service is not known from here',
      'Set PORT to what its log says, and check again.'
    )
  }
  const at = { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
  const ask = (path: string, headers: Record<string, string> = {}) => get({ ...at, path, headers })

  let live: Answer
  try {
    live = await ask('/health/live')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ECONNREFUSED') { return notChecked(`nothing listens at ${at.host}:${port}`, 'Start the service, and check again.') }
    return [
      failed('liveness', `what listens at ${at.host}:${port} does not answer (${code})`, 'See its log; restart it.')
    ]
  }
  if (live.status !== 200 || parsed(live)?.['status'] !== 'alive') {
    return [
      failed(
        'liveness',
        `what listens at ${at.host}:${port} is not this service: /health/live answers ${live.status}`,
        'End it, or set PORT to another port.'
      )
    ]
  }
  const authorization =
    config.metrics.token === undefined ? undefined : { authorization: `Bearer ${config.metrics.token}` }
  return [
    ok('liveness', '/health/live answers 200'),
    ...(await Promise.all([
      tell('readiness', async () => checkReadiness(await ask('/health/ready'))),
      tell('health', async () => checkHealth(await ask('/health', { accept: 'application/json' }))),
      tell('error_tracking', async () => checkErrorTracking(await ask('/api/v1/no-such-path'))),
      tell('security_headers', async () =>
        checkSecurityHeaders(await ask('/api/v1/no-such-path'), config.security.hsts)
      ),
      tell('monitoring', async () => checkMonitoring(await ask('/metrics', authorization)))
    ]))
  ]
}

function notChecked (message: string, remedy: string): Check[] {
  return NAMES.map((name) => warning(name, `not checked: ${message}`, remedy))
}

/** The service may stop while it is being checked. */
async function tell (name: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check()
  } catch (error) {
    return failed(
      name,
      `the service gave no answer: ${error instanceof Error ? error.message : String(error)}`,
      'See its log.'
    )
  }
}

function checkReadiness (answer: Answer): Check {
  if (answer.status === 200) return ok('readiness', '/health/ready answers 200')
  const { reason } = parsed(answer) ?? {}
  return failed(
    'readiness',
    `/health/ready answers ${answer.status}${reason === undefined ? '' : `: ${String(reason)}`}`,
    'See the checks of the database and the lines of app.health in the log.'
  )
}

function checkHealth (answer: Answer): Check {
  const { status, checks } = parsed(answer) ?? {}
  const ill = Object.entries(checks ?? {})
    .filter(([, check]) => check?.status !== 'healthy')
    .map(([name, check]) => `${name} is ${check?.status}`)
  const state = `/health answers ${answer.status}, ${String(status)}${ill.length > 0 ? `: ${ill.join(', ')}` : ''}`
  if (answer.status === 200 && status === 'healthy') return ok('health', state)
  return (answer.status === 200 ? warning : failed)(
    'health',
    state,
    'See /health and the lines of app.health in the log.'
  )
}

function checkErrorTracking (answer: Answer): Check {
  const { error_id: id, error_code: code, message, timestamp } = parsed(answer) ?? {}
  const whole =
    /^[0-9a-f-]{36}$/.test(String(id)) && [code, message, timestamp].every((value) => typeof value === 'string')
  if (answer.status === 404 && whole && answer.headers['x-request-id']) { return ok('error_tracking', 'an error answer has its error_id and X-Request-ID') }
  return failed(
    'error_tracking',
    `an unknown path is answered ${answer.status} without error_id or X-Request-ID`,
    'See what stands between: a proxy may answer in the place of the service.'
  )
}

function checkSecurityHeaders ({ headers }: Answer, hsts: boolean): Check {
  const wanted: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-xss-protection': '1; mode=block',
    'content-security-policy': "default-src 'self'",
    ...(hsts ? { 'strict-transport-security': 'max-age=31536000' } : {})
  }
  const wrong = Object.entries(wanted).filter(([name, value]) => !headers[name]?.includes(value)).map(([name]) => name)
  if (wrong.length === 0) return ok('security_headers', 'the security headers are on every answer asked for')
  return failed(
    'security_headers',
    `missing or different: ${wrong.join(', ')}`,
    'See whether it runs with the same NODE_ENV as this check; otherwise report it.'
  )
}

/** Whether `/metrics` is scraped, by the service's own count of such requests. */
function checkMonitoring (answer: Answer): Check {
  if (answer.status !== 200) {
    return failed(
      'monitoring',
      `/metrics answers ${answer.status}`,
      'See whether the service runs with the same METRICS_TOKEN as this check.'
    )
  }
  const startedS = Number(/^process_start_time_seconds(?:\{[^}]*\})? (\S+)$/m.exec(answer.body)?.[1])
  const counts = answer.body.matchAll(/^http_request_duration_seconds_count\{[^}]*route="\/metrics"[^}]*\} (\S+)$/gm)
  const scrapes = [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  const upS = Math.max(0, Math.round(Date.now() / 1000 - startedS))
  const state = `/metrics was asked ${scrapes} times in ${upS} s`
  if (scrapes >= 2 && scrapes * SCRAPE_EVERY_S >= upS) return ok('monitoring', state)
  return warning(
    'monitoring',
    `${state}: nobody seems to watch`,
    'Let Prometheus scrape /metrics, and load the alert rules of deploy/prometheus.'
  )
}

type Body = Record<string, unknown> & { checks?: Record<string, { status?: string } | null> }

function parsed ({ body }: Answer): Body | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? value as Body : undefined
  } catch {
    return undefined
  }
}

/** One request on a connection of its own. `fetch` refuses some ports. */
function get (options: { host: string, port: number, path: string, headers: Record<string, string> }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...options, agent: false, signal: AbortSignal.timeout(PATIENCE_MS) }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
        if (body.length > LARGEST_ANSWER) response.destroy(new Error('the answer does not end'))
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
