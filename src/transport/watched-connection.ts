import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Ended } from '../http/exchange.ts'
import { plainRequest, type PlainRequest } from './plain-request.ts'
import { readShared } from './shared-read.ts'
import { holdRefusal, type Holdable } from './together.ts'

type Parse = (bytes: Buffer) => void

const [CR, LF] = [13, 10]

/** A request that is refused before it was read. */
export interface UnreadRefusal {
  /** The answer, as bytes in Latin-1. */
  readonly answer: string
  readonly ended: Ended
}

/** Who decides what becomes of the requests of watched connections. */
export interface Watcher {
  /** Whether there is no place for another request. */
  isFull (): boolean
  /** How the request is refused, if that is what it needs; else undefined, and it goes on to Node. */
  refuse (request: PlainRequest): UnreadRefusal | undefined
  /** Told when the answer has been sent, or could not be as nobody is left to read it. */
  refused (refusal: UnreadRefusal, isGone: boolean): void
}

/** Whose bytes Node's parser is reading now. */
let reading: WatchedConnection | undefined
const watched = new WeakMap<Socket, WatchedConnection>()

/**
 * A connection whose requests can be refused before Node has read them. By the time Node has made of one what handlers
 * are given, and has sent what they answer, it has cost 17 µs more than this way, which is more than half of all a
 * refusal costs.
 *
 * Node's parser is a listener of the connection's bytes, and is given them by this one instead. That costs a request
 * that is not refused
 * 1.7 µs where it is the cheapest (probe route 1.08 of the processor time), and nothing where the database is asked
 * (0.99), as there is no buffer made for each read any more: see {@link readShared}. Only a request is refused that the
 * bytes at hand are from first to last, on a connection where nothing else is begun: see {@link plainRequest}. All else
 * is Node's, as if nobody were in between.
 *
 * All connections are watched, from their beginning. Where only those were that came when there were more of them than
 * places, V8 threw away what it had compiled for the others when too much was asked, just then: of the first storm in a
 * process 58 % of capacity was done instead of 75, of later ones 74 instead of 79.
 */
export class WatchedConnection implements Holdable {
  readonly #socket: Socket
  readonly #watcher: Watcher
  readonly #parse: Parse
  readonly #read: Parse
  /**
   * Whether Node's parser was given anything. Until then it waits for the first request, and for no more than
   * `headersTimeout`.
   */
  #isRead = false
  #isRefused = false
  /** Whether Node's parser is known to be before a request. */
  #isBetween = true
  /** Whether it ends by a timeout that is not Node's, see {@link stays}. */
  #isWaiting = false
  /** Until Node lets go of it. */
  #isHttp = true
  /** How many requests began in the bytes that are being read, and the last of them. */
  #begun = 0
  #request: IncomingMessage | undefined
  /** How many have not been answered yet. */
  #unanswered = 0
  /** Once all of it is read, no more is. */
  #last: IncomingMessage | undefined
  /** As long as it is held. */
  #refusal: UnreadRefusal | undefined

  /** To be called before anything has come by it; does nothing where others than Node listen. */
  static watch (socket: Socket, watcher: Watcher): void {
    const [parse, ...others] = socket.listeners('data') as Parse[]
    if (parse === undefined || others.length > 0) return
    const connection = new WatchedConnection(socket, watcher, parse)
    watched.set(socket, connection)
    // None, as for Node. But its first answer, or its end, will set another: to V8 that was another kind of socket, for
    // which it compiled all anew.
    socket.setTimeout(0)
    // First, as with it the parser stops reading by itself.
    socket.on('data', connection.#read)
    socket.removeListener('data', parse)
    // First here, too: Node ends its half where the client has ended the other, which still may read.
    socket.prependListener('end', () => connection.send())
    readShared(socket, (bytes, length) => connection.#take(bytes, length))
  }

  /**
   * To be called for each request that Node has read. The connection it came by, if that is watched, which is to be
   * told when it was answered.
   */
  static began (request: IncomingMessage): WatchedConnection | undefined {
    if (reading === undefined) return undefined
    // Not with the next bytes, which need not begin one: until one has begun, Node would not give up the connection
    // again.
    if (reading.#isWaiting) {
      reading.#isWaiting = false
      reading.#socket.setTimeout(0)
    }
    reading.#begun++
    reading.#request = request
    reading.#unanswered++
    return reading
  }

  /**
   * Whether requests came by it, and all were refused before Node read them: Node takes it for one on which nothing
   * came, and not for idle.
   */
  static isUnread (socket: Socket): boolean {
    const connection = watched.get(socket)
    return connection !== undefined && connection.#isRefused && !connection.#isRead
  }

  /**
   * To be called where Node gives up a connection as no request came in time. Where there were some, it stays: it is
   * given `idleMs` until the next one, as after any answer.
   */
  static stays (socket: Socket, idleMs: number): boolean {
    const connection = watched.get(socket)
    if (connection === undefined || !WatchedConnection.isUnread(socket) || !socket.writable) return false
    connection.#isWaiting = true
    socket.setTimeout(idleMs)
    return true
  }

  /** To be called where nothing that follows a request on its connection is to be read. */
  static readNoMoreAfter (request: IncomingMessage): void {
    const connection = watched.get(request.socket)
    if (connection !== undefined) connection.#last = request
  }

  /** To be called where Node lets go of a connection: what follows is no HTTP. */
  static letGo (socket: Socket): void {
    const connection = watched.get(socket)
    if (connection === undefined) return
    socket.removeListener('data', connection.#read)
    connection.#isHttp = false
  }

  private constructor (socket: Socket, watcher: Watcher, parse: Parse) {
    this.#socket = socket
    this.#watcher = watcher
    this.#parse = parse
    this.#read = (bytes) => { this.#hear(bytes, bytes.length) }
  }

  send (): void {
    const refusal = this.#refusal
    if (refusal === undefined) return
    this.#refusal = undefined
    if (!this.#socket.writable) this.#watcher.refused(refusal, true)
    // The first write finds out that its reader has gone in the meantime.
    else {
      this.#socket.write(refusal.answer, 'latin1', (error) => {
        this.#watcher.refused(refusal, error instanceof Error)
      })
    }
  }

  answered (): void {
    this.#unanswered--
  }

  /** Answers go out in the order of their requests, and are not heaped up for a client that reads none of them. */
  #mayAnswer (): boolean {
    return (
      this.#isBetween &&
      this.#unanswered === 0 &&
      this.#refusal === undefined &&
      this.#watcher.isFull() &&
      this.#socket.writable &&
      this.#socket.writableLength === 0
    )
  }

  /**
   * Instead of the stream. What is read next comes to the same place: Node's parser, which by itself also reads all
   * connections into one, copies of it what it hands on.
   */
  #take (bytes: Buffer, length: number): boolean {
    if (!this.#isHttp) return false
    this.#hear(bytes, length)
    return true
  }

  #hear (bytes: Buffer, length: number): void {
    if (this.#last?.complete !== true && !this.#refuses(bytes, length)) this.#pass(bytes.subarray(0, length))
  }

  /** Refuses the request these bytes are, if it is to be refused. */
  #refuses (bytes: Buffer, length: number): boolean {
    const request = this.#mayAnswer() ? plainRequest(bytes, length) : undefined
    const refusal = request === undefined ? undefined : this.#watcher.refuse(request)
    if (refusal === undefined) return false
    this.#refusal = refusal
    this.#isRefused = true
    holdRefusal(this)
    return true
  }

  #pass (bytes: Buffer): void {
    this.send()
    this.#isRead = true
    this.#begun = 0
    const outer = reading
    reading = this
    try {
      this.#parse(bytes)
    } finally {
      reading = outer
    }
    this.#isBetween = this.#begun === 1 && endsWith(bytes, this.#request as IncomingMessage)
    this.#request = undefined
  }
}

/**
 * Whether bytes that only this request began in end where it ends. Whatever came before it in them, there is no earlier
 * end of a head from which they are as long as its body, or not all of that would be there. Nor is there a later one,
 * in its body, that could be taken for its own, unless its own began before these bytes: then they start with the rest
 * of that.
 */
function endsWith (bytes: Buffer, { complete, headers }: IncomingMessage): boolean {
  return (
    complete &&
    bytes[0] !== CR &&
    bytes[0] !== LF &&
    headers['transfer-encoding'] === undefined &&
    bytes.indexOf('\r\n\r\n') + 4 + Number(headers['content-length'] ?? 0) === bytes.length
  )
}
