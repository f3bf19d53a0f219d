/** How one request stands with its limit. */
export interface Allowance {
  limit: number
  remaining: number
  /** Whole seconds until the count begins anew. */
  resetS: number
  refused: boolean
}

interface Window {
  used: number
  endsAtMs: number
}

/**
 * So many in each window of time for each key; a key's window begins with its first request. Bounded: as all windows
 * are of one length, those that began first end first, and so the oldest key is the one to forget.
 */
export class Limiter {
  readonly limit: number
  readonly #windowMs: number
  readonly #mostKeys: number
  readonly #windows = new Map<string, Window>()

  constructor (limit: number, { windowMs = 60_000, mostKeys = 50_000 } = {}) {
    this.limit = limit
    this.#windowMs = windowMs
    this.#mostKeys = mostKeys
  }

  get size (): number {
    return this.#windows.size
  }

  /** Counts one request at `nowMs`, a time that only goes on. */
  take (key: string, nowMs: number): Allowance {
    let window = this.#windows.get(key)
    if (window === undefined || window.endsAtMs <= nowMs) {
      if (window !== undefined) this.#windows.delete(key)
      else if (this.#windows.size >= this.#mostKeys) this.#windows.delete(this.#windows.keys().next().value as string)
      window = { used: 0, endsAtMs: nowMs + this.#windowMs }
      this.#windows.set(key, window)
    }
    window.used++
    return this.#allowance(window.used, window.endsAtMs - nowMs)
  }

  /** How the next would stand, without counting it. */
  look (key: string, nowMs: number): Allowance {
    const window = this.#windows.get(key)
    if (window === undefined || window.endsAtMs <= nowMs) return this.#allowance(1, this.#windowMs)
    return this.#allowance(window.used + 1, window.endsAtMs - nowMs)
  }

  #allowance (used: number, leftMs: number): Allowance {
    return {
      limit: this.limit,
      remaining: Math.max(0, this.limit - used),
      resetS: Math.ceil(leftMs / 1000),
      refused: used > this.limit
    }
  }
}
