import type { Server, Socket } from 'node:net'

/** That clients were turned away is logged at most once in this time. */
const LOG_INTERVAL_MS = 10_000

interface Options {
  /** How many clients may be connected. */
  limit: number
  /** Called when clients were turned away, at most every ten seconds; `count`: how many since the last call. */
  onTurnedAway (count: number): void
}

/** The connections that clients have open, those included on which no request was made. */
export class Connections implements Iterable<Socket> {
  readonly limit: number
  readonly #onTurnedAway: Options['onTurnedAway']
  readonly #open = new Set<Socket>()
  #turnedAway = 0
  #loggedMs = -Infinity

  constructor ({ limit, onTurnedAway }: Options) {
    this.limit = limit
    this.#onTurnedAway = onTurnedAway
  }

  [Symbol.iterator] (): Iterator<Socket> {
    return this.#open.values()
  }

  add (socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => { this.#open.delete(socket) })
  }

  /** Limits a listener to `share` of the connections, all by default, and counts the clients that it turns away. */
  bound (listener: Server, share = this.limit): void {
    listener.maxConnections = share
    listener.on('drop', () => {
      this.#turnedAway++
      const nowMs = performance.now()
      if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return
      this.#loggedMs = nowMs
      this.#onTurnedAway(this.#turnedAway)
      this.#turnedAway = 0
    })
  }

  /** Why clients cannot connect, in words for people; undefined where they can. */
  problem (): string | undefined {
    if (this.#open.size < this.limit) return undefined
    return `all ${this.limit} client connections are in use`
  }
}
