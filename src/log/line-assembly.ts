const NEWLINE = 10

/** Reassembles lines that arrive in pieces, from a pipe for example, and passes on whole ones. */
export class LineAssembly {
  readonly #take: (lines: Buffer) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor (take: (lines: Buffer) => void) {
    this.#take = take
  }

  push (chunk: Buffer): void {
    const text = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const whole = text.lastIndexOf(NEWLINE) + 1
    this.#rest = text.subarray(whole)
    if (whole > 0) this.#take(text.subarray(0, whole))
  }

  /**
   * The input has ended: an incomplete line, of a killed process for example, becomes a line of its own.
   */
  end (): void {
    if (this.#rest.length > 0) this.#take(Buffer.concat([this.#rest, Buffer.from('\n')]))
    this.#rest = Buffer.alloc(0)
  }
}
