/** How long work may wait for the processor or a connection, in ms, before less of it is let in. */
const TARGET_MS = 50
/** For so many looks in a row it must have waited that long: a pause of the garbage collector or a checkpoint is no overload. */
const PATIENCE = 5
/** However late everything is, so many at once are let in: what is waited for may be one slow statement. */
const FEWEST = 64
const MOST = 1024
const FIRST = 128

/**
 * How many requests may be worked on at once, so that what is taken is done in time and the rest is told at once. Without a bound a server
 * that is asked for twice what it can do does less and less of it: all wait for all.
 *
 * The bound follows the delay that requests meet here, not how long they take: an upload may last, and is no reason to refuse others. As in
 * CoDel it is a delay that does not go away within half a second that counts; then the bound shrinks by a fifth at each look, and it grows by a tenth
 * while it is what keeps requests out. (Growing by one, as TCP does, takes a minute where the bound has become small.)
 */
export class AdmissionLimit {
  #limit = FIRST
  #refused = false
  #late = 0

  /** So many at the most. */
  get limit (): number {
    return this.#limit
  }

  /** To be told of each request that the bound keeps out. */
  refused (): void {
    this.#refused = true
  }

  /** To be told ten times a second how late things are, in ms, and how many requests are in. */
  adapt (delayMs: number, inFlight: number): void {
    this.#late = delayMs > TARGET_MS ? this.#late + 1 : 0
    if (this.#late >= PATIENCE) this.#limit = Math.max(FEWEST, Math.floor(Math.min(this.#limit, inFlight + 1) * 0.8))
    else if (this.#late === 0) this.#limit = Math.max(this.#limit, Math.min(this.#refused ? MOST : FIRST, Math.ceil(this.#limit * 1.1)))
    this.#refused = false
  }
}
