import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads'

/** So much goes into one message, where it is put together from smaller pieces. */
const ROOM_BYTES = 64 * 1024
/** Pieces from here on are not copied where they need not be. */
const LARGE_BYTES = 16 * 1024

/**
 * Bytes on their way to another thread, in the heap of none meanwhile: they are messages that nobody has received yet.
 *
 * V8 begins to mark for a full collection when some 8 MB of buffers came since the last one, garbage or not. A recording of 30 MB, held by the thread that answers
 * requests, set off three, and where one core has to do for all, that thread waited up to 30 ms each time for the threads that mark. Copies alone, as of a
 * form, still set off one.
 *
 * Whoever makes one closes it, handed over or not: what nobody took is held until then.
 */
export class ParkedBytes {
  readonly #channel = new MessageChannel()
  #sizeBytes = 0
  #room: Buffer<ArrayBuffer> | undefined
  #filled = 0

  get sizeBytes (): number {
    return this.#sizeBytes
  }

  /** Adds bytes at the end that are nobody else's: they are gone from here then, or copied where they are few or share their memory with others. */
  give (bytes: Uint8Array): void {
    if (bytes.length < LARGE_BYTES || bytes.length < bytes.buffer.byteLength || !(bytes.buffer instanceof ArrayBuffer)) return this.put(bytes)
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

  close (): void {
    this.#channel.port1.close()
    // Of port1 alone the other would hear only after all messages, which nobody receives. Where it was transferred it is another thread's, and this does nothing.
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
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
    const part = new Uint8Array(received.message as ArrayBuffer)
    bytes.set(part, at)
    at += part.length
  }
  port.close()
  if (at !== sizeBytes) throw new Error(`Of ${sizeBytes} bytes ${at} came over`)
  return bytes
}
