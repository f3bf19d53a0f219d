import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { Backlog, lineCount } from './backlog.ts'

/** How long to wait before a full pipe is tried again, in ms: it may be about to be read, or may never be. */
const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 200
/** At an exit: how long to wait for a reader that takes nothing, and for one that takes a little at a time. */
const LAST_WAIT_MS = 250
const LAST_WAIT_AT_MOST_MS = 3000

/** After these nothing will ever be read again: keeping lines for it would be pointless. */
const GONE = new Set(['EPIPE', 'EBADF', 'ECONNRESET', 'ENOTCONN', 'ESHUTDOWN', 'EIO', 'ENXIO'])

export interface ConsoleOptions {
  /** Lines kept in memory while nobody reads. */
  backlogBytes: number
  /** Told once when lines are being lost, and once when they no longer are, with their number. */
  onFault: (reason: string) => void
  onRecovery: (lostLines: number) => void
}

/**
 * Standard output, whatever it is: a pipe, a socket, a terminal or a file. Writing to it never blocks and never throws.
 * When nobody reads, lines are kept up to `backlogBytes` and counted as lost beyond that; when the reader is gone they
 * are counted at once, and it is tried again every second.
 *
 * Not process.stdout.write: it queues without bound, gives no whole lines back, and on a terminal that is stopped it
 * blocks the process.
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
   * To be called every second: lets the next line try again after a failure. Only one that is written shows that a
   * reader has come back.
   */
  check (): void {
    this.#isGone = false
    this.#drain()
  }

  /** Writes what is kept, waiting a little for a reader that is there; one that is not does not hold up the exit. */
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

  /** Writes as much as is taken without waiting, and answers how many bytes that were. */
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

  /** Whether anything was taken. */
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
 * A descriptor of standard output on which a write that would have to wait fails with EAGAIN instead.
 *
 * A pipe or a terminal is opened a second time, as that leaves the mode of those we share it with alone; a file never
 * blocks. What cannot be opened again (a socket, somebody else's pipe) is made non-blocking by Node when process.stdout
 * is first touched.
 */
function nonBlockingOutput (): number {
  output ??= openOutput()
  return output
}

/** Opened once in a process, however many sinks there are, and never closed. */
let output: number | undefined

function openOutput (): number {
  // A console.log or a warning of Node's must not end the process when nobody is there to read it.
  process.stdout.on('error', ignore)
  process.stderr.on('error', ignore)
  try {
    if (fstatSync(1).isFIFO() || isatty(1)) {
      return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    }
  } catch {
    // Not ours to open, or no /proc.
  }
  return 1
}

function ignore (): void {}
