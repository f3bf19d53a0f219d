import { Connection } from './connection.ts'
import type { ConnectionOptions } from './connection.ts'
import { connectError, DatabaseError } from './errors.ts'
import type { Probe } from './probe.ts'
import type { Session } from './session.ts'
import type { Logger } from '../sql.ts'
import type { Waiter } from './statement.ts'

/** Told of every statement and of every wait for a connection, in seconds. */
export interface Observer {
  query (name: string, outcome: 'ok' | 'error' | 'timeout' | 'cancelled', seconds: number): void
  acquire (seconds: number): void
}

export interface PoolLimits {
  poolSize: number
  maxWaiting: number
  acquireTimeoutMs: number
  recycleMs: number
}

/** How often deadlines are looked at while something runs or waits: one timer for all, none for each. */
const SWEEP_MS = 50
/** How often idle connections are looked through, at most. */
const TIDY_MS = 5000
/** Idle connections beyond this many are closed after this long. */
const KEEP_IDLE = 2
const IDLE_MS = 60_000
/** An attempt to connect older than this no longer keeps others from being made: what it waits for may be lost. */
const STALE_ATTEMPT_MS = 1000
const MAX_BACKOFF_MS = 500
/** A statement without an answer for so long is asked after at the server, and again so often. */
const DOUBT_AFTER_MS = 1000
const ASK_EVERY_MS = 500
/** An answer the server has given may still lie unread here; if it is not read by then, it was lost. */
const UNREAD_MS = 100

/**
 * Who may use a connection, and when there is to be another. Each carries one statement or transaction at a time, so
 * nothing waits behind a slow one while a connection is free; who finds none waits in line, so long and with so many
 * others as the limits say.
 */
export class Pool {
  readonly observe: Observer
  readonly log: Logger
  #limits: PoolLimits
  #options: ConnectionOptions
  #probe: Probe
  #askedAt = 0
  #connections = new Set<Connection>()
  /** The last used on top: the fewer are in turn, the fresher they are, and the rest can go. */
  #idle: Connection[] = []
  #waiting: Waiter[] = []
  /** When each attempt to connect under way was begun. */
  #attempts = new Set<{ since: number }>()
  #failures = 0
  #lastFailure: DatabaseError | undefined
  #nextAttemptAt = 0
  #sweeper: NodeJS.Timeout | null = null
  #tidier: NodeJS.Timeout
  #closing = false
  #emptied: (() => void) | undefined

  constructor (limits: PoolLimits, options: ConnectionOptions, probe: Probe, observe: Observer, log: Logger) {
    this.#limits = limits
    this.#options = options
    this.#probe = probe
    this.observe = observe
    this.log = log
    this.#tidier = setInterval(() => this.#tidy(), Math.min(TIDY_MS, limits.recycleMs / 4)).unref()
  }

  get stats () {
    const idle = this.#idle.length
    const [oldest] = this.#waiting
    return {
      active: this.#connections.size - idle,
      idle,
      connecting: this.#attempts.size,
      max: this.#limits.poolSize,
      waiting: this.#waiting.length,
      oldestWaitMs: oldest === undefined ? 0 : performance.now() - oldest.submittedAt
    }
  }

  /** A free connection at once, or a place in line. */
  submit (waiter: Waiter): void {
    if (this.#closing) return waiter.fail(new DatabaseError('closed', 'The database connections are being closed'))
    if (this.#sweeper === null) this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref()
    const connection = this.#idle.pop()
    if (connection !== undefined) {
      this.observe.acquire(0)
      return waiter.start(connection)
    }
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      return waiter.fail(
        new DatabaseError('queue_full', `${this.#waiting.length} statements wait for a connection already`)
      )
    }
    this.#waiting.push(waiter)
    this.#grow(performance.now())
  }

  /** Given back after a statement or transaction: on to whoever has waited longest. */
  release (connection: Connection): void {
    // Closed ones have left already, by `onClosed`.
    if (connection.closed) return
    if (connection.retired) return connection.end()
    const waiter = this.#waiting.shift()
    if (waiter !== undefined) return this.#serve(waiter, connection)
    const now = performance.now()
    if (this.#closing || this.#isOld(connection, now)) return connection.end()
    connection.idleSince = now
    this.#idle.push(connection)
  }

  /** Everything of this session: what waits is refused, what runs is ended. */
  cancel (session: Session): void {
    for (const waiter of this.#waiting.filter((each) => each.session === session)) {
      this.#refuse(waiter, session.refusal())
    }
    const now = performance.now()
    for (const connection of this.#connections) {
      const { statement } = connection
      // What a transaction says by itself, its commit or rollback, comes to its end.
      if (statement?.session === session && typeof statement.strings !== 'string') { connection.interrupt('cancelled', now) }
    }
  }

  /**
   * Lets what runs and waits come to its end; after `timeoutMs` ends it. Resolves in any case, then with nothing open.
   */
  async close (timeoutMs: number): Promise<void> {
    this.#closing = true
    clearInterval(this.#tidier)
    for (const connection of [...this.#idle]) connection.end()
    await this.#emptyWithin(timeoutMs)
    for (const waiter of [...this.#waiting]) { this.#refuse(waiter, new DatabaseError('closed', 'The database connections are being closed')) }
    const now = performance.now()
    for (const connection of this.#connections) connection.interrupt('closed', now)
    // A transaction between two statements has none to interrupt: it finds its connection gone.
    for (const connection of this.#connections) { if (connection.statement === null) connection.destroy(new Error('The pool is being closed')) }
    await this.#emptyWithin(1000)
    for (const connection of this.#connections) connection.destroy(new Error('The pool is being closed'))
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  async #emptyWithin (ms: number): Promise<void> {
    if (this.#connections.size === 0 && this.#waiting.length === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#emptied = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
    this.#emptied = undefined
  }

  #serve (waiter: Waiter, connection: Connection): void {
    this.observe.acquire((performance.now() - waiter.submittedAt) / 1000)
    waiter.start(connection)
  }

  #refuse (waiter: Waiter, error: Error): void {
    const place = this.#waiting.indexOf(waiter)
    if (place !== -1) this.#waiting.splice(place, 1)
    this.observe.acquire((performance.now() - waiter.submittedAt) / 1000)
    waiter.fail(error)
    this.#checkEmptied()
  }

  #checkEmptied (): void {
    if (this.#connections.size === 0 && this.#waiting.length === 0) this.#emptied?.()
  }

  /**
   * Makes a connection for each who waits, as far as there may be more; where the server fails or keeps silent one at a
   * time, until one succeeds.
   */
  #grow (now: number): void {
    const doubtful = this.#failures > 0 || this.#attempts.size > this.#freshAttempts(now)
    for (
      let attempts = this.#freshAttempts(now);
      attempts < this.#waiting.length && this.#connections.size + attempts < this.#limits.poolSize;
      attempts++
    ) {
      if (doubtful && (attempts > 0 || (now < this.#nextAttemptAt && this.#connections.size > 0))) return
      this.#connect(now)
    }
  }

  #freshAttempts (now: number): number {
    let count = 0
    for (const { since } of this.#attempts) if (now - since < STALE_ATTEMPT_MS) count++
    return count
  }

  async #connect (now: number): Promise<void> {
    const attempt = { since: now }
    this.#attempts.add(attempt)
    try {
      const connection = await Connection.open(this.#options)
      this.#attempts.delete(attempt)
      this.#connected(connection)
    } catch (error) {
      this.#attempts.delete(attempt)
      this.#connectFailed(connectError(error))
    }
  }

  #connected (connection: Connection): void {
    if (this.#failures > 0) this.log.info('database reachable again')
    this.#failures = 0
    this.#connections.add(connection)
    connection.onClosed(() => this.#left(connection))
    // An attempt thought lost that came through after all.
    if (this.#connections.size > this.#limits.poolSize) connection.retired = true
    this.release(connection)
    this.#grow(performance.now())
  }

  #connectFailed (error: DatabaseError): void {
    if (this.#failures === 0) this.log.warning('database connection failed', { error })
    this.#lastFailure = error
    this.#nextAttemptAt = performance.now() + Math.min(MAX_BACKOFF_MS, 25 * 2 ** this.#failures++)
    // With connections left, those who wait get one of them in turn. Without, they are told at once; the next to come
    // tries again.
    if (this.#connections.size > 0 || this.#freshAttempts(performance.now()) > 0) return
    for (const waiter of this.#waiting.splice(0)) this.#refuse(waiter, error)
  }

  #left (connection: Connection): void {
    this.#connections.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place !== -1) this.#idle.splice(place, 1)
    this.#checkEmptied()
    if (this.#waiting.length > 0) this.#grow(performance.now())
  }

  #isOld (connection: Connection, now: number): boolean {
    return now - connection.openedAt >= this.#limits.recycleMs * connection.lifeShare
  }

  #sweep (): void {
    const now = performance.now()
    for (const connection of this.#connections) connection.check(now)
    if (now - this.#askedAt >= ASK_EVERY_MS && this.#options.pooler === 'none') this.#dropLost(now)
    while (this.#waiting[0] !== undefined && now - this.#waiting[0].submittedAt >= this.#limits.acquireTimeoutMs) {
      this.#refuse(this.#waiting[0], this.#notInTime())
    }
    if (this.#waiting.length > 0) this.#grow(now)
    else if (this.#idle.length === this.#connections.size && this.#sweeper !== null) {
      clearInterval(this.#sweeper)
      this.#sweeper = null
    }
  }

  /**
   * After a network has swallowed statements or their answers, their connections would be stuck until the deadlines,
   * and with them the pool, though the server is back. So it is asked what it is at. Not through a pooler: whose
   * backends these are is not to be seen there.
   */
  async #dropLost (now: number): Promise<void> {
    const doubted: Array<{ connection: Connection, statement: unknown, pid: number }> = []
    for (const connection of this.#connections) {
      const { statement, key } = connection
      if (statement !== null && key !== undefined && now - statement.startedAt >= DOUBT_AFTER_MS) {
        doubted.push({ connection, statement, pid: key.pid })
      }
    }
    if (doubted.length === 0) return
    // Not again while this is being answered, which may take a second.
    this.#askedAt = Infinity
    try {
      const idle = await this.#probe.idleOf(doubted.map(({ pid }) => pid))
      await new Promise((resolve) => setTimeout(resolve, UNREAD_MS))
      for (const { connection, statement, pid } of doubted) {
        if (idle.has(pid) && connection.statement === statement) { connection.destroy(new Error('The server knows nothing of the statement: it was lost on the way')) }
      }
    } catch {
      // No answer, no judgement: the deadlines hold in any case.
    } finally {
      this.#askedAt = performance.now()
    }
  }

  #notInTime (): DatabaseError {
    return this.#connections.size === 0
      ? new DatabaseError(
        'unreachable',
          `No connection could be made within ${this.#limits.acquireTimeoutMs} ms`,
          this.#lastFailure
      )
      : new DatabaseError('acquire_timeout', `No connection came free within ${this.#limits.acquireTimeoutMs} ms`)
  }

  /** Replaces idle connections that are old, closes those nobody needed for a while. */
  #tidy (): void {
    const now = performance.now()
    for (const connection of this.#idle.filter((each) => this.#isOld(each, now))) connection.end()
    for (const connection of this.#idle.slice(0, -KEEP_IDLE)) {
      if (now - connection.idleSince >= IDLE_MS) connection.end()
    }
  }
}
