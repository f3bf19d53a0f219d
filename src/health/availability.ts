/** The phases in the life of a process. Only a `ready` one is sent traffic. */
export type State = 'starting' | 'ready' | 'not_ready' | 'draining' | 'stopped'

/**
 * Whether this process can take requests: the one place that readiness, shedding and shutdown consult.
 *
 *     starting ─► ready ⇄ not_ready ─► draining ─► stopped
 *
 * A process is ready while nothing blocks it. Each cause that does has a name, by which it is cleared, and a reason in
 * words. Once the process drains it never becomes ready again.
 */
export class Availability {
  #state: State = 'starting'
  readonly #reasons = new Map<string, string>([['start', 'starting']])
  readonly #listeners: Array<(state: State, reason: string | undefined) => void> = []

  get state (): State {
    return this.#state
  }

  get draining (): boolean {
    return this.#state === 'draining' || this.#state === 'stopped'
  }

  /** Why it is not ready, in a few words; undefined while it is. */
  get reason (): string | undefined {
    if (this.draining) return 'draining'
    return this.#reasons.values().next().value
  }

  /** Calls `listener` at every change of state from now on. */
  onChange (listener: (state: State, reason: string | undefined) => void): void {
    this.#listeners.push(listener)
  }

  /** `cause` keeps the process from being ready, for `reason`. */
  block (cause: string, reason: string): void {
    this.#reasons.set(cause, reason)
    this.#settle()
  }

  /** `cause` keeps it no longer. */
  clear (cause: string): void {
    if (this.#reasons.delete(cause)) this.#settle()
  }

  /** The process is shutting down. */
  drain (): void {
    if (!this.draining) this.#become('draining')
  }

  stop (): void {
    this.#become('stopped')
  }

  #settle (): void {
    if (this.draining) return
    if (this.#reasons.size === 0) this.#become('ready')
    else if (this.#state === 'ready') this.#become('not_ready')
  }

  #become (state: State): void {
    if (state === this.#state) return
    this.#state = state
    for (const listener of this.#listeners) listener(state, this.reason)
  }
}
