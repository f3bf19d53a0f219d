const NEWLINE = 10

/** The number of lines that end in these bytes. */
export function lineCount (bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}

/**
 * Lines that could not be written yet, in order, at most `maxBytes` of them. When it is full, the newest lines are
 * dropped: the oldest show how the trouble began, and the first of them may already be partly written.
 */
export class Backlog {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isEmpty (): boolean { return this.#chunks.length === 0 }

  /** Stores as many whole lines of the chunk as there is room for; returns the number of dropped lines. */
  push (chunk: Buffer): number {
    let kept = chunk
    const room = this.#maxBytes - this.#bytes
    if (chunk.length > room) {
      kept = room <= 0 ? chunk.subarray(0, 0) : chunk.subarray(0, chunk.lastIndexOf(NEWLINE, room - 1) + 1)
    }
    if (kept.length > 0) {
      this.#chunks.push(kept)
      this.#bytes += kept.length
    }
    return kept.length === chunk.length ? 0 : lineCount(chunk.subarray(kept.length))
  }

  /** Stores the whole chunk regardless of the limit: for one that is about to be written. */
  force (chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** Removes and returns the oldest chunk. Return an unwritten rest with {@link unshift}. */
  shift (): Buffer | undefined {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) this.#bytes -= chunk.length
    return chunk
  }

  unshift (chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.unshift(chunk)
    this.#bytes += chunk.length
  }

  /** Drops everything and returns the number of lines. */
  drop (): number {
    const lost = this.#chunks.reduce((sum, chunk) => sum + lineCount(chunk), 0)
    this.#chunks = []
    this.#bytes = 0
    return lost
  }
}
