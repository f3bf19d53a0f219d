import { ConsoleOutput } from './console.ts'
import { formatLine, LINE_BYTES_AT_MOST } from './line.ts'
import type { LineWriter } from './logger.ts'
import { readableText } from './readable.ts'
import { RollingFile } from './rolling-file.ts'

const MiB = 1024 * 1024

export interface SinkOptions {
  /** The directory of the files: LOG_DIR. */
  directory: string
  /** The file is NAME.log. Processes that share a directory need different names. Default `app`. */
  name?: string
  /** Default 50 MiB; at least the longest line, 64 KiB, so that the limit always holds. */
  maxFileBytes?: number
  /** The number of older files to keep. Default 10. */
  keptFiles?: number
  /** `false`: readable lines on the console. The file is always JSON. Default true. */
  json?: boolean
  /** `false`: nothing on standard output. Default true. */
  console?: boolean
  /** The longest that a line waits to be written together with others. Default 20 ms. */
  flushDelayMs?: number
  /** The interval of retries and of checks of the file. Default 1 s. */
  checkIntervalMs?: number
  /** The size of each output's backlog in memory while it cannot be written. Default 4 MiB. */
  backlogBytes?: number
}

export interface SinkStatus {
  degraded: boolean
  /** The failing output and the reason. */
  reason?: string
}

export interface Sink extends LineWriter {
  /** Accepts one line including its newline. It is written within `flushDelayMs`, sooner under load. */
  write (line: string): void
  /**
   * Passes whole lines of another process, as it would write them itself, to standard output but not to the file.
   */
  relay (lines: Buffer): void
  /** Writes everything now: call it before every exit of the process. */
  flushSync (): void
  /** Writes everything and releases the file and the timers. Later lines go to the console only. */
  close (): Promise<void>
  status (): SinkStatus
  /** The number of lost lines by output: `log_write_errors_total`. */
  readonly writeErrors: { readonly file: number, readonly console: number }
  /** Resolves, and never rejects, when the file has been opened or found to be inaccessible. */
  readonly ready: Promise<void>
}

/** A chunk of this many bytes is written at once. */
const CHUNK_BYTES = 64 * 1024

/**
 * Writes lines to the rolling file and to standard output, batched in chunks: measured, 0.6 µs a line from the
 * completed request to both outputs, against 5 to 6 µs with a pino child. The failure of an output is reported once on
 * the other, as a WARNING of `app.log`, and the output resumes automatically.
 *
 * Each line is encoded to bytes at once. A string is a tree of the parts that it was joined from: a hundred lines are
 * two thousand nodes, which have left the processor's caches by the time they are written, and survive garbage
 * collections until then.
 */
export function createSink (options: SinkOptions): Sink {
  return new ChunkingSink(options)
}

class ChunkingSink implements Sink {
  readonly ready: Promise<void>
  readonly #file: RollingFile
  readonly #console: ConsoleOutput | undefined
  readonly #isJson: boolean
  readonly #checks: NodeJS.Timeout
  readonly #delay: NodeJS.Timeout
  /** A chunk, with room for the longest line after it. */
  readonly #pending = Buffer.allocUnsafeSlow(CHUNK_BYTES + LINE_BYTES_AT_MOST)
  #length = 0
  #isScheduled = false
  #isClosed = false

  constructor ({
    directory, name = 'app', maxFileBytes = 50 * MiB, keptFiles = 10, json = true, console = true,
    flushDelayMs = 20, checkIntervalMs = 1000, backlogBytes = 4 * MiB
  }: SinkOptions) {
    this.#isJson = json
    this.#console = console
      ? new ConsoleOutput({
        backlogBytes,
        onFault: (reason) => this.#reportConsole(reason),
        onRecovery: (lost) => this.#reportConsole(undefined, lost)
      })
      : undefined
    this.#file = new RollingFile({
      directory,
      name,
      maxBytes: maxFileBytes,
      kept: keptFiles,
      backlogBytes,
      onFault: (reason) => this.#reportFile(reason),
      onRecovery: (lost) => this.#reportFile(undefined, lost)
    })
    this.#checks = setInterval(() => {
      this.#file.check()
      this.#console?.check()
    }, checkIntervalMs).unref()
    // One timer, restarted for each chunk: cheaper than a new one each time.
    this.#delay = setTimeout(() => this.#flush(), flushDelayMs).unref()
    process.on('exit', this.#onExit)
    this.ready = this.#file.open()
  }

  write (line: string): void {
    const room = this.#pending.length - this.#length
    // A UTF-16 code unit takes at most three bytes in UTF-8.
    if (line.length * 3 > room && Buffer.byteLength(line) > room) {
      this.#flush()
      this.#put(Buffer.from(line))
      return
    }
    this.#length += this.#pending.write(line, this.#length)
    if (this.#length >= CHUNK_BYTES || this.#isClosed) this.#flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      this.#delay.refresh()
    }
  }

  relay (lines: Buffer): void {
    this.#console?.write(lines)
  }

  flushSync (): void {
    this.#flush()
    this.#file.flushSync()
    this.#console?.flushSync()
  }

  async close (): Promise<void> {
    if (this.#isClosed) return
    await this.ready
    this.#flush()
    this.#isClosed = true
    clearInterval(this.#checks)
    clearTimeout(this.#delay)
    process.off('exit', this.#onExit)
    await this.#file.close()
    this.#console?.close()
  }

  status (): SinkStatus {
    const reasons: string[] = []
    if (this.#file.fault !== undefined) reasons.push(`log file: ${this.#file.fault}`)
    if (this.#console?.fault !== undefined) reasons.push(`console: ${this.#console.fault}`)
    return reasons.length === 0 ? { degraded: false } : { degraded: true, reason: reasons.join('; ') }
  }

  get writeErrors (): { file: number, console: number } {
    return { file: this.#file.lost, console: this.#console?.lost ?? 0 }
  }

  #flush (): void {
    this.#isScheduled = false
    if (this.#length === 0) return
    // An output that cannot write now stores the line.
    const chunk = Buffer.from(this.#pending.subarray(0, this.#length))
    this.#length = 0
    this.#put(chunk)
  }

  #put (chunk: Buffer): void {
    this.#file.write(chunk)
    this.#console?.write(this.#isJson ? chunk : Buffer.from(readableText(chunk.toString())))
  }

  readonly #onExit = (): void => this.flushSync()

  /** On the console only: the file cannot be written. */
  #reportFile (reason: string | undefined, lost = 0): void {
    const line = report('file', reason, lost)
    this.#console?.write(Buffer.from(this.#isJson ? line : readableText(line)))
  }

  /** In the file only. */
  #reportConsole (reason: string | undefined, lost = 0): void {
    this.#file.write(Buffer.from(report('console', reason, lost)))
  }
}

function report (output: 'file' | 'console', reason: string | undefined, lost: number): string {
  return reason === undefined
    ? formatLine('INFO', 'app.log', `log ${output} is written again`, undefined, { output, lost_lines: lost })
    : formatLine('WARNING', 'app.log', `log ${output} cannot be written: ${reason}`, undefined, {
      error_code: 'LOG_WRITE_ERROR',
      output
    })
}
