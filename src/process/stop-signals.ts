/**
 * Signals of one Ctrl-C come to a process twice when npm, in the same terminal, passes on its own: they count as one
 * within this time.
 */
const SAME_SIGNAL_MS = 50

type Heard = (signal: NodeJS.Signals) => void

/**
 * Hears SIGTERM and SIGINT from when it is made. Until somebody says what is to be done with them, the first is kept
 * and a second ends the process.
 */
export class StopSignals {
  #first: { signal: NodeJS.Signals, atMs: number } | undefined
  #stop: Heard | undefined
  #again: Heard = () => process.exit(1)

  constructor () {
    const hear: Heard = (signal) => {
      if (this.#first === undefined) {
        this.#first = { signal, atMs: performance.now() }
        this.#stop?.(signal)
      } else if (performance.now() - this.#first.atMs > SAME_SIGNAL_MS) {
        this.#again(signal)
      }
    }
    process.on('SIGTERM', hear)
    process.on('SIGINT', hear)
  }

  /**
   * Calls `stop` at the first, at once where it has come already, and `again` at the next that is not the same one
   * twice.
   */
  on (stop: Heard, again: Heard): void {
    this.#stop = stop
    this.#again = again
    if (this.#first !== undefined) stop(this.#first.signal)
  }
}
