/**
 * Signals of one Ctrl-C come to a process twice when npm, in the same terminal, passes on its own: they count as one
 * within this time.
 */
const SAME_SIGNAL_MS = 50

/** SIGHUP comes when the terminal closes, SIGQUIT from Ctrl-\: Node would end at once, without a line. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

type Listener = (signal: NodeJS.Signals) => void

export interface SignalListeners {
  /** The first signal to stop. */
  stop: Listener
  /** The next one that is not the same signal received twice. */
  stopAgain: Listener
  /** SIGUSR1. Node by itself opens the inspector, which lets anybody who reaches its port run code in the process. */
  debug: Listener
}

/**
 * Listens for signals from when it is made, which is before the service is loaded. A signal that comes before `on` is
 * kept until then; a second signal to stop ends the process.
 */
export class StopSignals {
  #first: { signal: NodeJS.Signals, atMs: number } | undefined
  #wantsDebugger = false
  #listeners: SignalListeners | undefined

  constructor () {
    const stop: Listener = (signal) => {
      if (this.#first === undefined) {
        this.#first = { signal, atMs: performance.now() }
        this.#listeners?.stop(signal)
      } else if (performance.now() - this.#first.atMs > SAME_SIGNAL_MS) {
        if (this.#listeners === undefined) process.exit(1)
        this.#listeners.stopAgain(signal)
      }
    }
    for (const signal of STOP_SIGNALS) process.on(signal, stop)
    // A listener takes the place of Node's own, for good: without one the signal would end the process.
    process.on('SIGUSR1', (signal) => {
      if (this.#listeners === undefined) this.#wantsDebugger = true
      else this.#listeners.debug(signal)
    })
  }

  /** Calls the listeners from now on, at once for what has come already. */
  on (listeners: SignalListeners): void {
    this.#listeners = listeners
    if (this.#wantsDebugger) listeners.debug('SIGUSR1')
    if (this.#first !== undefined) listeners.stop(this.#first.signal)
  }
}
