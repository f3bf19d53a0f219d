import type { Exchange } from './exchange.ts'

/**
 * The requests that are being answered now, in the order they came.
 *
 * A list through the exchanges themselves. In a Set, whose table is made anew after as many deletions as it has places,
 * each old table holds on to what was in it and to the next table; once one is in V8's old generation, so is every
 * request after it until the next full collection. Measured: collecting garbage took 23 µs a request, and 13 this way.
 */
export class InFlight {
  size = 0
  #first: Exchange | undefined
  #last: Exchange | undefined

  add (exchange: Exchange): void {
    if (this.#last === undefined) this.#first = exchange
    else {
      this.#last.next = exchange
      exchange.previous = this.#last
    }
    this.#last = exchange
    this.size++
  }

  /** To be called once for each that was added. */
  delete (exchange: Exchange): void {
    const { previous, next } = exchange
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    exchange.previous = exchange.next = undefined
    this.size--
  }

  /** While one looks at them, the one that is looked at may go. */
  * [Symbol.iterator] (): Generator<Exchange> {
    for (let exchange = this.#first; exchange !== undefined;) {
      const { next } = exchange
      yield exchange
      exchange = next
    }
  }
}
