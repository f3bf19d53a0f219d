import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { Backlog, lineCount } from './backlog.ts'

/** The wait before a full pipe is retried, in ms: it may be read soon, or never. */
const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 200
/** At exit: the wait for a reader that reads nothing, and for one that reads slowly. */
const LAST_WAIT_MS = 250
const LAST_WAIT_AT_MOST_MS = 3000

/** After these errors nothing will be read again: storing lines would be pointless. */
const GONE = new Set(['EPIPE', 'EBADF', 'ECONNRESET', 'ENOTCONN', 'ESHUTDOWN', 'EIO', 'ENXIO'])

export interface ConsoleOptions {
  /** The size of the backlog in memory while standard output is not read. */
  backlogBytes: number
  /** Called once when lines start being lost, and once when that ends, with their number. */
  onFault: (reason: string) => void
  onRecovery: (lostLines: number) => void
}

/**
 * Standard output: a pipe, a socket, a terminal or a file. Writing to it never blocks and never throws. While it is not
 * read, lines are stored up to `backlogBytes` and counted as lost beyond that. If the reader has closed it, lines are
 * counted as lost at once, and writing is retried every second.
 *
 * Not process.stdout.write: its queue is unbounded, it does not return unwritten whole lines, and on a stopped terminal
 * it blocks the process.
 */
export class ConsoleOutput {
  /** Why lines are being lost. */
  fault: string | undefined
  lost = 0

  readonly #options: ConsoleOptions
  readonly #backlog: Backlog
  readonly #fd: number
  #timer: NodeJS.Timeout | undefined
  #wait = FIRST_WAIT_MS
  #isGone = false
  #lostBefore = 0

  constructor (options: ConsoleOptions) {
    this.#options = options
    this.#backlog = new Backlog(options.backlogBytes)
    this.#fd = nonBlockingOutput()
  }

  /** Whole lines. */
  write (chunk: Buffer): void {
    if (this.#isGone || !this.#backlog.isEmpty) return this.#keep(chunk)
    const written = this.#put(chunk)
    if (written === chunk.length) this.#recover()
    else this.#keep(chunk.subarray(written))
  }

  /**
   * Call this every second: the next line is then tried again after a failure. Only a successful write shows that a
   * reader is back.
   */
  check (): void {
    this.#isGone = false
    this.#drain()
  }

  /** Writes the backlog, with a short wait for a slow reader; a missing reader does not delay the exit. */
  flushSync (): void {
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    const last = Date.now() + LAST_WAIT_AT_MOST_MS
    let deadline = Date.now() + LAST_WAIT_MS
    while (!this.#isGone && !this.#backlog.isEmpty && Date.now() < Math.min(deadline, last)) {
      if (this.#drain()) deadline = Date.now() + LAST_WAIT_MS
      if (!this.#backlog.isEmpty) Atomics.wait(sleeper, 0, 0, 2)
    }
  }

  close (): void {
    this.flushSync()
    clearTimeout(this.#timer)
    this.lost += this.#backlog.drop()
  }

  /** Writes as much as possible without waiting; returns the number of bytes. */
  #put (chunk: Buffer): number {
    let at = 0
    try {
      while (at < chunk.length) at += writeSync(this.#fd, chunk, at)
    } catch (error) {
      const { code = 'unknown error', message } = error as NodeJS.ErrnoException
      if (GONE.has(code)) {
        this.#isGone = true
        this.#lose(0, message)
      } else if (code !== 'EAGAIN') this.#lose(0, message)
    }
    return at
  }

  #keep (rest: Buffer): void {
    if (rest.length === 0) return
    if (this.#isGone) return this.#lose(lineCount(rest), this.fault!)
    const refused = this.#backlog.push(rest)
    if (refused > 0) this.#lose(refused, this.fault ?? 'nobody reads standard output')
    this.#timer ??= setTimeout(() => this.#retry(), this.#wait).unref()
  }

  #retry (): void {
    this.#timer = undefined
    this.#wait = this.#drain() ? FIRST_WAIT_MS : Math.min(this.#wait * 2, LONGEST_WAIT_MS)
    if (!this.#backlog.isEmpty) this.#timer = setTimeout(() => this.#retry(), this.#wait).unref()
  }

  /** Whether anything was written. */
  #drain (): boolean {
    let isTaken = false
    for (let chunk = this.#backlog.shift(); chunk !== undefined; chunk = this.#backlog.shift()) {
      const written = this.#put(chunk)
      isTaken ||= written > 0
      if (written === chunk.length) continue
      this.#backlog.unshift(chunk.subarray(written))
      if (this.#isGone) this.#lose(this.#backlog.drop(), this.fault!)
      return isTaken
    }
    if (isTaken) this.#recover()
    return isTaken
  }

  #lose (lines: number, reason: string): void {
    const isNew = this.fault === undefined
    if (isNew) this.#lostBefore = this.lost
    this.fault = reason
    this.lost += lines
    if (isNew) this.#options.onFault(reason)
  }

  #recover (): void {
    if (this.fault === undefined) return
    this.fault = undefined
    this.#options.onRecovery(this.lost - this.#lostBefore)
  }
}

/**
 * A descriptor of standard output on which a write that would block fails with EAGAIN instead.
 *
 * A pipe or a terminal is opened a second time, so that the mode of other processes that share it does not change; a
 * file never blocks. If it cannot be opened again (a socket, a pipe of another user), Node makes it non-blocking when
 * process.stdout is first accessed.
 */
function nonBlockingOutput (): number {
  output ??= openOutput()
  return output
}

/** Opened once per process, for all sinks, and never closed. */
let output: number | undefined

function openOutput (): number {
  // console.log, or a warning of Node, must not end the process when the reader is gone.
  process.stdout.on('error', ignore)
  process.stderr.on('error', ignore)
  try {
    if (fstatSync(1).isFIFO() || isatty(1)) {
      return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    }
  } catch {
    // No permission to open it, or no /proc.
  }
  return 1
}

function ignore (): void {}
