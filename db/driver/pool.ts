import { Connection } from './connection.ts'
import type { ConnectionListener, ConnectionOptions } from './connection.ts'
import type { Logger, Observer } from './contract.ts'
import { connectError, DatabaseError } from './errors.ts'
import { destroyLost, doubtedOf } from './lost-statements.ts'
import type { Probe } from './probe.ts'
import { Statement } from './statement.ts'
import type { StatementHost } from './statement.ts'

interface PoolLimits {
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
/** A connection idle for longer may have been ended by the server without this process having noticed. */
const FRESH_MS = 5
/** An idle connection that does not answer for so long is taken for lost. */
const CHECK_MS = 1000
/** So many statements at most are sent together. */
const MAX_SHARED = 4
/** An attempt to connect older than this no longer keeps others from being made: it may be lost. */
const STALE_ATTEMPT_MS = 1000
const MAX_BACKOFF_MS = 500
/** How often the server is asked about statements without an answer. */
const ASK_EVERY_MS = 500

/** A transaction that waits for its connection. */
export class Reservation {
  readonly host: StatementHost
  readonly submittedAt = performance.now()
  readonly needsLive = true
  readonly start: (connection: Connection) => void
  readonly refuse: (error: Error) => void

  constructor (host: StatementHost, resolve: (connection: Connection) => void, reject: (error: Error) => void) {
    this.host = host
    this.start = resolve
    this.refuse = reject
  }
}

export type Waiter = Statement | Reservation

/**
 * Decides which statement or transaction gets which connection, and when another connection is made. A connection is
 * given to one of them at a time, so that nothing waits behind a slow one while a connection is free. When none is free
 * they queue, for as long and as many as the limits say; a connection that is given back then takes several quick
 * statements at once, which are sent in one write.
 *
 * What cannot be run again on a lost connection gets one that was in use a moment ago, or has just answered.
 */
export class Pool {
  readonly observe: Observer
  readonly log: Logger
  #limits: PoolLimits
  #options: ConnectionOptions
  #probe: Probe
  #askedAt = 0
  #connections = new Set<Connection>()
  /** The last used is on top: the fewer are in use, the fresher they are, and the others can be closed. */
  #idle: Connection[] = []
  #waiting: Waiter[] = []
  #listener: ConnectionListener
  /** Idle connections that have been asked for a sign of life. */
  #checking = 0
  /** When each attempt to connect under way was begun. */
  #attempts = new Set<{ since: number }>()
  #failures = 0
  #lastFailure: DatabaseError | undefined
  #nextAttemptAt = 0
  /** When a connection was lost: one that has been idle since then is asked before it is used. */
  #doubtedAt = -Infinity
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
    this.#listener = {
      free: (connection) => this.release(connection),
      closed: (connection) => this.#left(connection)
    }
    options.address.servers.onMove(() => this.#moved())
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
      oldestWaitMs: oldest === undefined ? 0 : performance.now() - oldest.submittedAt,
      waitingCommits: this.#probe.waitingCommits
    }
  }

  /** Gives it a free connection at once, or a place in the queue. */
  submit (waiter: Waiter): void {
    if (this.#closing) return waiter.refuse(new DatabaseError('closed', 'The database connections are being closed'))
    if (this.#sweeper === null) this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref()
    const last = this.#idle.at(-1)
    if (last !== undefined && this.#isTrusted(last, waiter)) {
      this.#idle.pop()
      this.observe.acquire(0)
      return start(waiter, last)
    }
    // Those for which an idle connection is being checked do not count: it is theirs in a moment.
    if (this.#waiting.length - this.#checking >= this.#limits.maxWaiting) {
      return waiter.refuse(
        new DatabaseError('queue_full', `${this.#waiting.length} statements wait for a connection already`)
      )
    }
    this.#waiting.push(waiter)
    this.#provide(performance.now())
  }

  /** Whether the waiter can have the idle connection as it is. */
  #isTrusted ({ idleSince }: Connection, { needsLive }: Waiter): boolean {
    if (idleSince <= this.#doubtedAt) return false
    return !needsLive || performance.now() - idleSince <= FRESH_MS
  }

  /** Takes a connection back after a statement or transaction, and gives it to those that have waited longest. */
  release (connection: Connection): void {
    // Closed ones have left already.
    if (connection.closed) return
    if (connection.retired) return connection.end()
    const waiter = this.#waiting.shift()
    if (waiter === undefined) {
      const now = performance.now()
      if (this.#closing || this.#isOld(connection, now)) return connection.end()
      connection.idleSince = now
      this.#idle.push(connection)
      return
    }
    this.#serve(waiter, connection)
    if (this.#isExhausted() && isShareable(waiter, connection)) this.#serveMore(connection)
  }

  #serveMore (connection: Connection): void {
    for (let count = 1; count < MAX_SHARED; count++) {
      const [next] = this.#waiting
      if (next === undefined || !isShareable(next, connection)) return
      this.#waiting.shift()
      this.#serve(next, connection)
    }
  }

  /** Whether no other connection is about to come: none is being checked, and no more can be made. */
  #isExhausted (): boolean {
    return this.#checking === 0 && (this.#connections.size >= this.#limits.poolSize || this.#failures > 0)
  }

  /** Everything of this session: what waits is refused, what runs is ended. */
  cancel (host: StatementHost, refusal: () => DatabaseError): void {
    for (const waiter of this.#waiting.filter((each) => each.host === host)) this.#refuse(waiter, refusal())
    for (const connection of this.#connections) connection.cancel(host)
  }

  /**
   * Lets what runs and waits come to its end; after `timeoutMs` ends it. Resolves in any case, then with nothing open.
   */
  async close (timeoutMs: number): Promise<void> {
    this.#closing = true
    clearInterval(this.#tidier)
    for (const connection of [...this.#idle]) connection.end()
    await this.#emptyWithin(timeoutMs)
    for (const waiter of [...this.#waiting]) {
      this.#refuse(waiter, new DatabaseError('closed', 'The database connections are being closed'))
    }
    for (const connection of this.#connections) {
      // A transaction between two statements has none to cut off: it finds its connection gone.
      if (connection.head === undefined) connection.destroy(new Error('The pool is being closed'))
      else connection.cutOff()
    }
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
    start(waiter, connection)
  }

  #refuse (waiter: Waiter, error: Error): void {
    const place = this.#waiting.indexOf(waiter)
    if (place !== -1) this.#waiting.splice(place, 1)
    this.observe.acquire((performance.now() - waiter.submittedAt) / 1000)
    waiter.refuse(error)
    this.#checkEmptied()
  }

  #checkEmptied (): void {
    if (this.#connections.size === 0 && this.#waiting.length === 0) this.#emptied?.()
  }

  /** Sees that those in the queue get a connection: an idle one as soon as it has answered, or a new one. */
  #provide (now: number): void {
    while (this.#checking < this.#waiting.length) {
      const connection = this.#idle.pop()
      if (connection === undefined) break
      this.#check(connection)
    }
    this.#grow(now)
  }

  /** Asks an idle connection for a sign of life, and puts it to use when it has given one. */
  async #check (connection: Connection): Promise<void> {
    this.#checking++
    const answered = connection.ask('', CHECK_MS)
    await answered.catch((error: unknown) => connection.destroy(error as Error))
    this.#checking--
    if (connection.closed) this.#provide(performance.now())
    else this.release(connection)
  }

  /**
   * Makes a connection for each waiter that has none coming, as far as there may be more; while the server fails or
   * keeps silent one at a time, until one succeeds.
   */
  #grow (now: number): void {
    const doubtful = this.#failures > 0 || this.#attempts.size > this.#freshAttempts(now)
    for (
      let attempts = this.#freshAttempts(now);
      attempts + this.#checking < this.#waiting.length && this.#connections.size + attempts < this.#limits.poolSize;
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
    connection.listen(this.#listener)
    // An attempt thought lost that came through after all.
    if (this.#connections.size > this.#limits.poolSize) connection.retired = true
    this.release(connection)
    this.#grow(performance.now())
  }

  #connectFailed (error: DatabaseError): void {
    if (this.#failures === 0) this.log.warning('database connection failed', { error })
    this.#lastFailure = error
    this.#nextAttemptAt = performance.now() + Math.min(MAX_BACKOFF_MS, 25 * 2 ** this.#failures++)
    // With connections left, the waiters get one of them in turn. Without, they are refused at once; the next to come
    // tries again.
    if (this.#connections.size > 0 || this.#freshAttempts(performance.now()) > 0) return
    for (const waiter of this.#waiting.splice(0)) this.#refuse(waiter, error)
  }

  #left (connection: Connection): void {
    this.#connections.delete(connection)
    // What has cut one may have cut the others, which notice only when they are used.
    if (connection.lost !== undefined) this.#doubtedAt = performance.now()
    const place = this.#idle.indexOf(connection)
    if (place !== -1) this.#idle.splice(place, 1)
    this.#checkEmptied()
    if (this.#waiting.length > 0) this.#provide(performance.now())
  }

  /** Another server takes the writes, or is looked for: connections to others are given up as soon as they are free. */
  #moved (): void {
    const { current } = this.#options.address.servers
    for (const connection of this.#connections) {
      if (connection.server !== current) connection.retired = true
    }
    for (const connection of this.#idle.filter(({ retired }) => retired)) connection.end()
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
    if (this.#waiting.length > 0) this.#provide(now)
    else if (this.#idle.length === this.#connections.size && this.#sweeper !== null) {
      clearInterval(this.#sweeper)
      this.#sweeper = null
    }
  }

  async #dropLost (now: number): Promise<void> {
    const doubted = doubtedOf(this.#connections, now)
    if (doubted.length === 0) return
    // Not again while this is being answered, which may take a second.
    this.#askedAt = Infinity
    await destroyLost(doubted, this.#probe)
    this.#askedAt = performance.now()
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

  /** Closes idle connections that are old, and those that were not needed for a while. */
  #tidy (): void {
    const now = performance.now()
    for (const connection of this.#idle.filter((each) => this.#isOld(each, now))) connection.end()
    for (const connection of this.#idle.slice(0, -KEEP_IDLE)) {
      if (now - connection.idleSince >= IDLE_MS) connection.end()
    }
  }
}

function start (waiter: Waiter, connection: Connection): void {
  if (waiter instanceof Statement) connection.execute(waiter)
  else waiter.start(connection)
}

function isShareable (waiter: Waiter, connection: Connection): boolean {
  return waiter instanceof Statement && connection.canShare(waiter)
}
