import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads'

/** So much goes into one message, where it is put together from smaller pieces. */
const ROOM_BYTES = 64 * 1024
/** Pieces from here on are not copied where they need not be. */
const LARGE_BYTES = 16 * 1024

/**
 * Bytes on their way to another thread, in the heap of none meanwhile: they are messages that nobody has received yet.
 *
 * V8 begins to mark for a full collection when some 8 MB of buffers came since the last one, garbage or not. A
 * recording of 30 MB, held by the thread that answers requests, set off three, and where one core has to do for all,
 * that thread waited up to 30 ms each time for the threads that mark. Copies alone, as of a form, still set off one.
 *
 * What the other thread makes of them comes back in the same way, see {@link returned}.
 *
 * Whoever makes one closes it, handed over or not: what nobody took is held until then.
 */
export class ParkedBytes {
  readonly #channel = new MessageChannel()
  /** Where pieces have come back to that were not asked for yet, and where they are to be asked for again. */
  #returned = this.#channel.port1
  #returnedAgain = this.#returned
  #sizeBytes = 0
  #room: Buffer<ArrayBuffer> | undefined
  #filled = 0

  get sizeBytes (): number {
    return this.#sizeBytes
  }

  /**
   * Adds bytes at the end that are nobody else's: they are gone from here then, or copied where they are few or share
   * their memory with others.
   */
  give (bytes: Uint8Array): void {
    const isShared = bytes.length < bytes.buffer.byteLength || !(bytes.buffer instanceof ArrayBuffer)
    if (bytes.length < LARGE_BYTES || isShared) return this.put(bytes)
    this.#sizeBytes += bytes.length
    this.#sendRoom()
    this.#send(bytes.buffer)
  }

  /** Adds a copy of bytes at the end. */
  put (bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length
    for (let at = 0; at < bytes.length;) {
      this.#room ??= Buffer.allocUnsafeSlow(ROOM_BYTES)
      const part = bytes.subarray(at, at + ROOM_BYTES - this.#filled)
      this.#room.set(part, this.#filled)
      at += part.length
      this.#filled += part.length
      if (this.#filled === ROOM_BYTES) this.#sendRoom()
    }
  }

  /** Where the other thread takes them from, to be transferred to it. Nothing can be put in any more. */
  exit (): ParkingExit {
    this.#sendRoom()
    return { port: this.#channel.port2, sizeBytes: this.#sizeBytes }
  }

  /**
   * The pieces that the other thread has sent back. Each is here only until the next one is asked for. They can be
   * asked for again, from the first.
   */
  * returned (): Generator<Uint8Array<ArrayBuffer>> {
    const returned = this.#returned = this.#returnedAgain
    const { port1, port2 } = new MessageChannel()
    this.#returnedAgain = port2
    const keep = (piece: ArrayBuffer) => { port1.postMessage(piece, [piece]) }
    try {
      for (const piece of messagesOn(returned)) {
        try {
          yield new Uint8Array(piece)
        } finally {
          keep(piece)
        }
      }
    } finally {
      // Where nobody asked for all of them, the rest comes after those that were given.
      for (const piece of messagesOn(returned)) keep(piece)
      returned.close()
    }
  }

  close (): void {
    this.#returned.close()
    this.#returnedAgain.close()
    this.#channel.port1.close()
    // Of port1 alone the other would hear only after all messages, which nobody receives. Where it was transferred it
    // is another thread's, and this does nothing.
    this.#channel.port2.close()
    this.#room = undefined
    this.#filled = 0
  }

  #sendRoom (): void {
    if (this.#room === undefined) return
    // No more than is in it: else a few bytes between large pieces would take as much as a room.
    this.#send(this.#filled === ROOM_BYTES ? this.#room.buffer : this.#room.buffer.slice(0, this.#filled))
    this.#room = undefined
    this.#filled = 0
  }

  #send (buffer: ArrayBuffer): void {
    this.#channel.port1.postMessage(buffer, [buffer])
  }
}

export interface ParkingExit {
  port: MessagePort
  sizeBytes: number
}

/** On the other thread: all of the bytes. */
export function takeParked ({ port, sizeBytes }: ParkingExit): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes)
  let at = 0
  for (const message of messagesOn(port)) {
    const part = new Uint8Array(message)
    bytes.set(part, at)
    at += part.length
  }
  if (at !== sizeBytes) throw new Error(`Of ${sizeBytes} bytes ${at} came over`)
  return bytes
}

/**
 * On the other thread: sends pieces back, each of which has its memory to itself and is gone from here then. Ends with
 * what was taken.
 */
export function returnPieces ({ port }: ParkingExit, pieces: Iterable<Uint8Array<ArrayBuffer>>): void {
  for (const { buffer } of pieces) port.postMessage(buffer, [buffer])
  port.close()
}

/** Those that are there. */
function * messagesOn (port: MessagePort): Generator<ArrayBuffer> {
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
    yield received.message as ArrayBuffer
  }
}
