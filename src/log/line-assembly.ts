const NEWLINE = 10

/** Puts lines together again that come in pieces, as from a pipe, and hands on whole ones. */
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
   * There is no more to come: what was left of a line by a process that was killed in the middle of it is a line of its
   * own.
   */
  end (): void {
    if (this.#rest.length > 0) this.#take(Buffer.concat([this.#rest, Buffer.from('\n')]))
    this.#rest = Buffer.alloc(0)
  }
}
