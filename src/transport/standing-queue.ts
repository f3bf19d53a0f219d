/** Work that waits for less than this is not late. */
const TARGET_MS = 50
/** The largest burst that an idle service admits, in requests. */
const BURST = 1200
/** The longest that admitted work may be late without a break, however few requests come. */
const INTERVAL_MS = 3000
/** The part of both that is allowed right after a queue stood. */
const LEAST_PART = 1 / 30

/**
 * Tells a queue that stands from a burst, by the delay of admitted work, as CoDel does (Nichols and Jacobson 2012).
 *
 * A burst makes work late for a moment, and then the delay falls under the target again. A queue stands when the delay
 * has not once been under the target for an interval, which is over after three seconds, or earlier when 1,200 requests
 * were admitted in it. From then on new work is refused, until the delay is under the target. After that the interval
 * is a thirtieth of it, and it grows back in three seconds in which no queue stands. So an idle service takes a large
 * burst whole, and one that is asked for too much for long keeps its queue short.
 */
export class StandingQueue {
  /** Since when the delay has been over the target at every observation; undefined while it is under it. */
  #overSinceMs: number | undefined
  /** Requests admitted since then. */
  #admitted = 0
  #stands = false
  #lastEndedMs = -Infinity

  /** Whether a request may be admitted, at the delay that admitted work has at this time. */
  admits (delayMs: number, nowMs: number): boolean {
    if (this.observe(delayMs, nowMs)) return false
    this.#admitted++
    return true
  }

  /** The delay that admitted work has at this time; answers whether the queue stands. */
  observe (delayMs: number, nowMs: number): boolean {
    if (delayMs < TARGET_MS) {
      if (this.#stands) this.#lastEndedMs = nowMs
      this.#stands = false
      this.#overSinceMs = undefined
    } else {
      if (this.#overSinceMs === undefined) this.#admitted = 0
      this.#overSinceMs ??= nowMs
      const part = Math.min(1, Math.max(LEAST_PART, (this.#overSinceMs - this.#lastEndedMs) / INTERVAL_MS))
      this.#stands ||= this.#admitted >= BURST * part || nowMs - this.#overSinceMs >= INTERVAL_MS * part
    }
    return this.#stands
  }
}
