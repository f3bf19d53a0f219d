import type { Logger } from '../log/logger.ts'
import type { Availability } from './availability.ts'

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy'

/** What one look came to. `error` is for people who operate the service, and names no host, no SQL and no secret. */
export interface CheckResult {
  status: HealthStatus
  latency_ms: number | null
  error: string | null
}

export interface HealthCheck {
  name: string
  /** Whether the service cannot do its work without it: then it decides on readiness, and on `unhealthy`. */
  critical: boolean
  /** Resolves where all is well; rejects with what is wrong. What it takes is its latency. */
  look (): Promise<void>
}

export interface HealthReport {
  status: HealthStatus
  checks: Record<string, CheckResult>
}

interface Options {
  checks: HealthCheck[]
  intervalMs: number
  log: Logger
  availability: Availability
}

/** A result is good for this long: many probes at once make one look. */
const FRESH_MS = 1000
/** How long a look may take before it has failed. */
const DEADLINE_MS = 1000
/** What is said of a check that says nothing of its own. */
const LATE = `no answer within ${DEADLINE_MS} ms`
const UNUSABLE = 'cannot be used'
/** A failing check is repeated this often, so that recovery is noticed within 2 s without a request. */
const RETRY_MS = 1000

/** A check that is not all right, in words for people; `degraded` where it is only on its way to fail. */
export class NotHealthy extends Error {
  readonly status: HealthStatus

  constructor (message: string, status: HealthStatus = 'unhealthy') {
    super(message)
    this.name = 'NotHealthy'
    this.status = status
  }
}

class Watched {
  readonly check: HealthCheck
  result: CheckResult | undefined
  lookedMs = -Infinity
  toldMs = -Infinity
  underway: Promise<CheckResult> | undefined

  constructor (check: HealthCheck) {
    this.check = check
  }
}

/** Runs the checks: each at most once a second, one run at a time, with a deadline. */
export class HealthMonitor {
  readonly #watched: Watched[]
  readonly #options: Options
  #timer: NodeJS.Timeout | undefined

  constructor (options: Options) {
    this.#options = options
    this.#watched = options.checks.map((check) => new Watched(check))
    for (const { critical, name } of options.checks) { if (critical) options.availability.block(name, `${name} was not looked at yet`) }
  }

  start (): void {
    this.#timer ??= setInterval(() => this.#round(), RETRY_MS)
    this.#timer.unref()
    this.#round()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  /** Brings what decides on readiness up to date. */
  async ready (): Promise<void> {
    await Promise.all(this.#watched.filter(({ check }) => check.critical).map((watched) => this.#fresh(watched)))
  }

  /** All checks, none older than a second. */
  async report (): Promise<HealthReport> {
    const results = await Promise.all(this.#watched.map((watched) => this.#fresh(watched)))
    const checks = Object.fromEntries(
      this.#watched.map(({ check }, index) => [check.name, results[index] as CheckResult])
    )
    const bad = this.#watched.filter((_, index) => results[index]?.status !== 'healthy')
    const critical = bad.some(({ check, result }) => check.critical && result?.status === 'unhealthy')
    return { status: critical ? 'unhealthy' : bad.length > 0 ? 'degraded' : 'healthy', checks }
  }

  /** What each check came to when it was last looked at, without looking again. */
  last (): Array<{ name: string, status: HealthStatus | undefined }> {
    return this.#watched.map(({ check, result }) => ({ name: check.name, status: result?.status }))
  }

  #round (): void {
    const { intervalMs } = this.#options
    for (const watched of this.#watched) {
      const dueMs = watched.result === undefined || watched.result.status !== 'healthy' ? RETRY_MS : intervalMs
      if (performance.now() - watched.lookedMs >= dueMs - 50) this.#look(watched)
    }
  }

  async #fresh (watched: Watched): Promise<CheckResult> {
    if (watched.result !== undefined && performance.now() - watched.lookedMs < FRESH_MS) return watched.result
    return await this.#look(watched)
  }

  #look (watched: Watched): Promise<CheckResult> {
    watched.underway ??= measured(watched.check).then((result) => {
      watched.underway = undefined
      watched.lookedMs = performance.now()
      this.#tell(watched, result)
      watched.result = result
      this.#decide(watched.check, result)
      return result
    })
    return watched.underway
  }

  #decide ({ critical, name }: HealthCheck, { status, error }: CheckResult): void {
    if (!critical) return
    const isExplained = error !== null && error !== LATE && error !== UNUSABLE
    if (status !== 'unhealthy') this.#options.availability.clear(name)
    else this.#options.availability.block(name, isExplained ? error : `the ${name} does not answer`)
  }

  /** One line when a check turns, one when it is well again, and one each interval in between. */
  #tell (watched: Watched, { status, error, latency_ms }: CheckResult): void {
    const { log, intervalMs } = this.#options
    const { name } = watched.check
    const before = watched.result?.status ?? 'healthy'
    const now = performance.now()
    if (status === 'healthy') {
      if (before !== 'healthy') log.info('health check recovered', { status, check: name, latency_ms })
      return
    }
    if (before === status && now - watched.toldMs < intervalMs) return
    watched.toldMs = now
    log.warning('health check failed', { status, check: name, reason: error })
  }
}

async function measured (check: HealthCheck): Promise<CheckResult> {
  const started = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NotHealthy(LATE)), DEADLINE_MS)
  })
  try {
    await Promise.race([check.look(), late])
    return { status: 'healthy', latency_ms: round(performance.now() - started), error: null }
  } catch (error) {
    if (error instanceof NotHealthy) {
      return { status: error.status, latency_ms: round(performance.now() - started), error: error.message }
    }
    return { status: 'unhealthy', latency_ms: null, error: UNUSABLE }
  } finally {
    clearTimeout(timer)
  }
}

function round (ms: number): number {
  return Math.round(ms * 100) / 100
}
