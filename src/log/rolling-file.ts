import { closeSync, fstatSync, openSync, stat, statSync, writeSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import pinoRoll from 'pino-roll'
import type { RollingStream } from 'pino-roll'
import { Backlog, lineCount } from './backlog.ts'
import { makeDirectory, prune, putAside } from './directory.ts'
import { endHalfLine, linesOfRemoved, undoHalfLine } from './whole-lines.ts'

const NEWLINE = 10
/** A path where no file can exist: pino-roll looks for numbers there, finds none, and counts from 1. */
const NOWHERE = '/dev/null/app'

export interface RollingFileOptions {
  directory: string
  /** `app` gives app.log. Two processes in one directory need two names. */
  name: string
  /** The maximum size of a file; only a single line larger than this can exceed it. */
  maxBytes: number
  /** The number of older files to keep. */
  kept: number
  /** The size of the backlog in memory while the file cannot be written. */
  backlogBytes: number
  /** Called once when writing fails, and once when it works again, with the number of lines lost in between. */
  onFault: (reason: string) => void
  onRecovery: (lostLines: number) => void
}

/**
 * The log file: `NAME.log` is always the current file, `NAME.1.log`, `NAME.2.log`, … are the older ones; a larger
 * number is newer. Numbers keep increasing, across restarts and gaps too. Other files in the directory are never
 * touched.
 *
 * pino-roll owns the stream: it writes, counts and decides when to rotate. It does not name and remove files, because
 * on its own it never writes NAME.log, treats the trailing number of any file as its own (report-20240101.log), removes
 * unrelated files (app-3.log as well as app.3.log), and does so only after the rotation, so not at all if the process
 * ends then. It is therefore given an open file, and its `reopen` handles the names. Since it checks the size only
 * after a write, the file is declared full before a chunk that would not fit. Writes are synchronous: nothing is in
 * flight at an exit.
 *
 * Nothing here throws. While the file cannot be written (disk full, directory gone or read-only, no free descriptor),
 * lines are stored up to `backlogBytes`, counted as lost beyond that, and each {@link check} tries again.
 */
export class RollingFile {
  /** Why the file cannot be written at present. */
  fault: string | undefined
  /** The number of lines that were never written. */
  lost = 0

  readonly path: string
  readonly #options: RollingFileOptions
  readonly #backlog: Backlog
  #stream: RollingStream | undefined
  /** The open file, also before pino-roll has created its stream, which is asynchronous. */
  #fd: number | undefined
  #identity = ''
  /** The size of the file, and its size when it was last seen in its place. */
  #size = 0
  #checkedSize = 0
  #lostBefore = 0
  #opening = false
  #closed = false

  constructor (options: RollingFileOptions) {
    this.#options = options
    this.path = join(options.directory, `${options.name}.log`)
    this.#backlog = new Backlog(options.backlogBytes)
  }

  /** Opens the file or detects that this is impossible. Resolves when lines are written or stored for later. */
  async open (): Promise<void> {
    if (this.#opening || this.#closed) return
    this.#opening = true
    try {
      this.#openFile()
      await this.#openStream()
      this.#drain()
    } catch (error) {
      this.#fail(error)
    }
    this.#opening = false
  }

  /** Writes whole lines. */
  write (chunk: Buffer): void {
    if (this.#closed) this.lost += lineCount(chunk)
    else if (this.#stream !== undefined && this.#backlog.isEmpty) this.#put(chunk, this.#stream)
    else if (this.#fd !== undefined) {
      // Before pino-roll has created its stream. If the lines waited for it, a kill would lose the first lines of the
      // process.
      this.#backlog.force(chunk)
      this.flushSync()
    } else this.lost += this.#backlog.push(chunk)
  }

  /** Tries to write the backlog now: the process may be about to end. */
  flushSync (): void {
    if (this.#closed || this.#backlog.isEmpty) return
    try {
      if (this.#fd === undefined) this.#openFile()
      for (let chunk = this.#backlog.shift(); chunk !== undefined; chunk = this.#backlog.shift()) {
        this.#putDirectly(chunk)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Closes the file; lines that cannot be written now are lost. */
  async close (): Promise<void> {
    this.flushSync()
    this.lost += this.#backlog.drop()
    this.#closed = true
    const stream = this.#stream
    this.#release()
    if (stream !== undefined) await new Promise((resolve) => stream.once('close', resolve).once('error', resolve))
  }

  /**
   * Call this every second: it retries after a failed write, and checks whether the open file is still the one at its
   * path. A file in a removed directory could be written for ever without a reader.
   */
  check (): void {
    if (this.#closed) return
    if (this.#fd === undefined || this.#stream === undefined) {
      if (!this.#opening) this.#release()
      this.open()
      return
    }
    const [fd, identity, size] = [this.#fd, this.#identity, this.#size]
    stat(this.path, (error, found) => {
      if (this.#closed || this.#fd !== fd || this.#identity !== identity) return
      if (error === null && identityOf(found) === identity) {
        // Another program truncated the file or wrote to it. While we write too, the figure is outdated.
        if (this.#size === size) this.#size = found.size
        this.#checkedSize = found.size
        return
      }
      const rescued = linesOfRemoved(fd, this.#checkedSize, this.#options.backlogBytes)
      if (rescued !== undefined) this.lost += this.#backlog.push(rescued)
      this.#release()
      this.open()
    })
  }

  #openFile (): void {
    const { directory, name, kept } = this.#options
    makeDirectory(directory)
    // Opening a pipe without a reader would block.
    const found = statSync(this.path, { throwIfNoEntry: false })
    if (found !== undefined && !found.isFile()) throw new Error(`${this.path} is not a regular file`)
    prune(directory, name, kept)
    this.#adopt(openSync(this.path, 'a+'))
    this.#size += endHalfLine(this.#fd!, this.#size)
  }

  #adopt (fd: number): void {
    this.#fd = fd
    const found = fstatSync(fd)
    this.#identity = identityOf(found)
    this.#checkedSize = this.#size = found.size
  }

  async #openStream (): Promise<void> {
    const fd = this.#fd!
    const stream = await pinoRoll({
      file: `${NOWHERE}.log`,
      size: `${this.#options.maxBytes}b`,
      fd,
      sync: true,
      contentMode: 'buffer',
      retryEAGAIN: () => false
    })
    // Closed in the meantime, or rotated by a flush.
    if (this.#fd === undefined || this.#closed) return
    if (this.#fd !== fd) return this.#openStream()
    stream.file = `${NOWHERE}.1.log`
    // Rotations within one tick close their files together, at its end.
    stream.setMaxListeners(0)
    stream.on('error', (error) => { if (this.#stream === stream) this.#fail(error) })
    const reopen = stream.reopen
    stream.reopen = (next) => {
      if (this.#stream !== stream) return
      putAside(this.#options.directory, this.#options.name, this.#options.kept)
      reopen.call(stream, this.path)
      stream.file = next ?? stream.file
      this.#adopt(stream.fd)
    }
    // Never that it is full: pino-roll would roll by itself, and count what `#roll` tells it towards the next file.
    stream.emit('write', Math.min(this.#size, this.#options.maxBytes - 1))
    this.#stream = stream
  }

  /**
   * Writes whole lines and rotates before lines that would make the file too large. Unwritten lines go to the backlog.
   */
  #put (chunk: Buffer, stream: RollingStream): void {
    let rest = chunk
    while (rest.length > 0) {
      const part = this.#fitting(rest)
      if (part.length > 0) {
        const [before, fd] = [this.#size, stream.fd]
        stream.write(part)
        if (this.#stream !== stream) {
          rest = rest.subarray(undoHalfLine(fd, before, part))
          break
        }
        this.#size += part.length
        rest = rest.subarray(part.length)
      } else {
        this.#roll(stream)
        if (this.#stream !== stream) break
      }
    }
    this.#backlog.unshift(rest)
  }

  /**
   * As many of the lines as there is room for, none if the file is full. A line larger than any file gets its own file.
   */
  #fitting (lines: Buffer): Buffer {
    const room = this.#options.maxBytes - this.#size
    if (lines.length <= room) return lines
    const fitting = room <= 0 ? 0 : lines.lastIndexOf(NEWLINE, room - 1) + 1
    return lines.subarray(0, fitting === 0 && this.#size === 0 ? lines.indexOf(NEWLINE) + 1 || lines.length : fitting)
  }

  /** Makes pino-roll consider the file full and rotate at once instead of after the tick. */
  #roll (stream: RollingStream): void {
    stream.emit('write', this.#options.maxBytes)
    stream.emit('drain')
  }

  /** Like #put, without a stream: before it exists, and at the end of the process. */
  #putDirectly (chunk: Buffer): void {
    let rest = chunk
    try {
      while (rest.length > 0) {
        const part = this.#fitting(rest)
        if (part.length === 0) {
          putAside(this.#options.directory, this.#options.name, this.#options.kept)
          closeSync(this.#fd!)
          this.#adopt(openSync(this.path, 'a+'))
          continue
        }
        const [fd, before] = [this.#fd!, this.#size]
        try {
          for (let at = 0; at < part.length;) at += writeSync(fd, part, at)
          this.#size += part.length
        } catch (error) {
          rest = rest.subarray(undoHalfLine(fd, before, part))
          throw error
        }
        rest = rest.subarray(part.length)
      }
    } finally {
      this.#backlog.unshift(rest)
    }
  }

  #drain (): void {
    while (this.#stream !== undefined && !this.#backlog.isEmpty) this.#put(this.#backlog.shift()!, this.#stream)
    if (this.fault === undefined || this.#stream === undefined) return
    this.fault = undefined
    this.#options.onRecovery(this.lost - this.#lostBefore)
  }

  #fail (error: unknown): void {
    this.#release()
    const reason = error instanceof Error ? error.message : String(error)
    const isNew = this.fault === undefined
    this.fault = reason
    if (!isNew) return
    this.#lostBefore = this.lost
    this.#options.onFault(reason)
  }

  /** Closes the file at any stage of opening. */
  #release (): void {
    const [stream, fd] = [this.#stream, this.#fd]
    this.#stream = undefined
    this.#fd = undefined
    if (stream !== undefined) stream.destroy()
    else if (fd !== undefined) try { closeSync(fd) } catch { /* It was not open. */ }
  }
}

function identityOf ({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}
