/** Work that waits for less than this is not late. */
const TARGET_MS = 50
const SHORTEST_INTERVAL_MS = 100
const LONGEST_INTERVAL_MS = 1500
/** A burst has so many requests at the most, however long a slow machine takes for them. */
const BURST = 1500
/** After so many intervals a queue stands, however few requests were admitted. */
const PATIENCE = 3

/**
 * Tells a queue that stands from a burst, by the delay of admitted work, as CoDel does (Nichols and Jacobson 2012).
 *
 * A burst makes work late for a moment, and then the delay falls under the target again. A queue stands when the delay
 * has not once been under the target for an interval, while more requests were admitted than a burst has, or for three
 * intervals. From then on new work is refused, until the delay is under the target. The interval is as long as all had
 * been well since the last queue stood, between 0.1 and 1.5 seconds, and what counts as a burst shrinks with it. So an
 * idle service takes a large burst whole, and one that is asked for too much for long keeps its queue short.
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
      this.#stands ||= this.#lasts(nowMs - this.#overSinceMs, this.#overSinceMs - this.#lastEndedMs)
    }
    return this.#stands
  }

  #lasts (overMs: number, wellMs: number): boolean {
    const intervalMs = Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, wellMs))
    if (overMs < intervalMs) return false
    return this.#admitted > BURST * (intervalMs / LONGEST_INTERVAL_MS) || overMs >= PATIENCE * intervalMs
  }
}
