/** How long work may wait for the processor or a connection, in ms, before less of it is let in. */
const TARGET_MS = 50
/**
 * For so many looks in a row it must have waited that long: a pause of the garbage collector or a checkpoint is no
 * overload.
 */
const PATIENCE = 5
/**
 * For each connection to the database so many: one that works, the others on their way to it or from it. More would
 * only wait, for all there is.
 */
const EACH = 5
/**
 * However late everything is, and however few connections there are, so many are let in: what is waited for may be one
 * slow statement.
 */
const FEWEST = 64

/**
 * How many requests may be worked on at once, so that what is taken is done in time and the rest is told at once.
 * Without a bound a server that is asked for twice what it can do does less and less of it: all wait for all. Worse
 * where more sockets are ready at once than Node takes in one turn of its event loop (1,024): as long as there are, it
 * writes nothing to the database.
 *
 * Under it, the bound follows the delay that requests meet here, not how long they take: an upload may last, and is no
 * reason to refuse others. As in CoDel it is a delay that does not go away within half a second that counts; then the
 * bound shrinks by a fifth at each look, and it grows by a tenth afterwards. (Growing by one, as TCP does, takes a
 * minute where the bound has become small.)
 *
 * Two places for each connection while more than a quarter is refused did 3 % more at twice capacity, and lost:
 * refusals for want of places that few places make are taken for a storm. Clients that asked again at once kept it up
 * for good, and bursts below capacity were done by half.
 */
export class AdmissionLimit {
  readonly #most: number
  #limit: number
  #late = 0

  constructor (connections: number) {
    this.#most = Math.max(FEWEST, EACH * connections)
    this.#limit = this.#most
  }

  /** So many at the most. */
  get limit (): number {
    return this.#limit
  }

  /** To be told ten times a second how late things are, in ms, and how many requests are in. */
  adapt (delayMs: number, inFlight: number): void {
    this.#late = delayMs > TARGET_MS ? this.#late + 1 : 0
    if (this.#late >= PATIENCE) this.#limit = Math.max(FEWEST, Math.floor(Math.min(this.#limit, inFlight + 1) * 0.8))
    else if (this.#late === 0) this.#limit = Math.min(this.#most, Math.ceil(this.#limit * 1.1))
  }
}
