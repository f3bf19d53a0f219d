import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { AppError } from '../errors.ts'
import { StorageError, type LentFile, type Part, type SpooledFile } from '../uploads/spool.ts'
import type { PackedMember, Unpacked } from '../uploads/unpacking.ts'
import type { ConvertTask, Conversion } from './convert.ts'
import type { Again, Decoded, DecodeTask, Reply } from './decode.ts'
import type { UnpackTask } from './unpack.ts'

export type { Conversion } from './convert.ts'
export type { Again, Decoded, DecodedActivity } from './decode.ts'

export interface DecodingOptions {
  /** Files decoded at once; one thread each. By default a core is left for requests. */
  threads?: number
  /** How long a file may wait for a thread; then its client is told to come back later. */
  waitMs?: number
  /** Files that may wait: they are on disk, so this bounds what is kept of each in memory alone. */
  queue?: number
  /** A file that takes longer on a thread is abandoned, and the thread with it. */
  deadlineMs?: number
  /** Of JavaScript values in one thread. The columns of a million records come on top, 72 MB. */
  memoryMb?: number
  /** An idle thread ends after this, but for the last one. */
  idleMs?: number
  /** How long `close` lets running files finish. */
  graceMs?: number
  /** The module that does the work, another one only in tests. */
  worker?: URL
}

/** What a thread loads, in each pool. */
export const THREAD_FILE = fileURLToPath(new URL('./thread.cjs', import.meta.url))

type Task = DecodeTask | ConvertTask | UnpackTask
type Threads = Piscina<Task, Reply<never>>

interface Waiting {
  isConversion: boolean
  start: () => void
  refuse: (reason: unknown) => void
}

/**
 * Decodes recordings on threads of their own, so that no file blocks the event loop, and a malicious one ends its own
 * thread alone. No thread is started before `warm` or the first file; from then on, one is kept: it takes 28 MB while
 * it is idle, and starting it anew would take half a second of a single upload.
 */
export class DecodingPool {
  readonly #makePool: () => Threads
  #pool: Threads | undefined
  readonly #threads: number
  readonly #queue: number
  readonly #waitMs: number
  readonly #deadlineMs: number
  readonly #graceMs: number
  // Files wait here and not in the pool, where a file's deadline would begin while it waits for others.
  readonly #waiting: Waiting[] = []
  readonly #running = new Set<Promise<unknown>>()
  #busy = 0
  #closed: Promise<void> | undefined

  constructor ({
    threads = Math.max(1, availableParallelism() - 1),
    waitMs = 20_000,
    queue = 5000,
    deadlineMs = 30_000,
    memoryMb = 256,
    idleMs = 10_000,
    graceMs = 2000,
    worker = new URL('./decode.js', import.meta.url)
  }: DecodingOptions = {}) {
    this.#threads = threads
    this.#queue = queue
    this.#waitMs = waitMs
    this.#deadlineMs = deadlineMs
    this.#graceMs = graceMs
    this.#makePool = () => {
      const pool = new Piscina<Task, Reply<never>>({
        filename: THREAD_FILE,
        name: 'main',
        workerData: worker.href,
        minThreads: 1,
        maxThreads: threads,
        idleTimeout: idleMs,
        resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 32 },
        // A thread that waits in Atomics.wait receives no other messages, and saves microseconds alone.
        atomics: 'disabled',
        recordTiming: false
      })
      // A thread that dies between two files harms none of them; without a listener it would end the process.
      pool.on('error', () => {})
      return pool
    }
  }

  /** Starts the thread that the first file will need. */
  warm (): void {
    if (!this.#closed) this.#pool ??= this.#makePool()
  }

  /** Files being decoded now and waiting, for the metrics. */
  get load (): { running: number; waiting: number; threads: number } {
    return { running: this.#running.size, waiting: this.#waiting.length, threads: this.#pool?.threads.length ?? 0 }
  }

  /**
   * The activities in a file, which contains their parts by then; `again`: one of them. Closing it is still the
   * caller's.
   * @throws UNREADABLE_FILE for what cannot be decoded, in time and memory too; SERVICE_UNAVAILABLE where the wait was
   *   too long, the disk failed or the pool is closed; the signal's reason when it aborts; INTERNAL_ERROR for a bug
   */
  async decode (
    file: SpooledFile,
    { signal, again }: { signal?: AbortSignal | undefined, again?: Again | undefined } = {}
  ): Promise<Decoded> {
    return await this.#queued<Decoded>(file, signal, (lent) => this.#run({ ...lent, again }, signal))
  }

  /**
   * Puts an activity of the recording in a file into its place, in another format, and returns where its parts are.
   * @throws as `decode` does; CONFLICT where the format cannot hold the recording
   */
  async convert (
    file: SpooledFile,
    conversion: Conversion,
    { signal }: { signal?: AbortSignal | undefined } = {}
  ): Promise<Part[]> {
    const work = (lent: LentFile) => this.#run<Part[]>({ ...lent, conversion }, signal, 'convert')
    return await this.#queued<Part[]>(file, signal, work, true)
  }

  /**
   * Replaces the packed bytes in a file by the plain ones, and accounts for them.
   * @throws as `decode` does, but for what is wrong with the bytes
   */
  async unpack (
    file: SpooledFile,
    member: PackedMember | undefined,
    { signal }: { signal?: AbortSignal | undefined } = {}
  ): Promise<Unpacked> {
    const unpacked = await this.#queued<Unpacked>(file, signal, (lent) => this.#run({ ...lent, member }, signal, 'unpack'))
    if (unpacked.refused === undefined) file.resize(unpacked.sizeBytes)
    return unpacked
  }

  async #queued<Result> (
    file: SpooledFile,
    signal: AbortSignal | undefined,
    work: (lent: LentFile) => Promise<{ decoded: Result } & Pick<LentFile, 'handle'>>,
    isConversion = false
  ): Promise<Result> {
    signal?.throwIfAborted()
    if (this.#closed) throw closing()
    if (this.#busy < this.#threads) this.#busy++
    else await this.#turn(signal, isConversion)
    const run = file.lend(work)
    this.#running.add(run)
    try {
      return (await run).decoded
    } finally {
      this.#running.delete(run)
      const next = this.#next(isConversion)
      if (next) next.start()
      else this.#busy--
    }
  }

  /**
   * Takes the file that has waited longest for a thread; after a conversion, which may take seconds, the one of those
   * that are to be decoded, so that several conversions in a row do not keep an upload waiting.
   */
  #next (isAfterConversion: boolean): Waiting | undefined {
    const place = isAfterConversion ? this.#waiting.findIndex(({ isConversion }) => !isConversion) : 0
    return this.#waiting.splice(Math.max(0, place), 1)[0]
  }

  /**
   * Refuses waiting files, gives running ones a moment to finish, then ends every thread. Always resolves; a second
   * call returns the first's promise.
   */
  close (): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end (): Promise<void> {
    for (const { refuse } of this.#waiting.splice(0)) refuse(closing())
    if (this.#running.size > 0) {
      let timer: NodeJS.Timeout | undefined
      const grace = new Promise((resolve) => {
        timer = setTimeout(resolve, this.#graceMs)
      })
      await Promise.race([Promise.allSettled(this.#running), grace])
      clearTimeout(timer)
    }
    await this.#pool?.destroy()
  }

  /** Waits for a thread. */
  #turn (signal: AbortSignal | undefined, isConversion: boolean): Promise<void> {
    if (this.#waiting.length >= this.#queue) return Promise.reject(tooMany())
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
      }
      const waiting: Waiting = {
        isConversion,
        start: () => {
          settled()
          resolve()
        },
        refuse: (reason) => {
          settled()
          reject(reason)
        }
      }
      const giveUp = (reason: unknown): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        waiting.refuse(reason)
      }
      const leave = (): void => giveUp(signal!.reason)
      const timer = setTimeout(() => giveUp(tooMany()), this.#waitMs)
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiting)
    })
  }

  async #run<Result> (
    file: Task,
    signal: AbortSignal | undefined,
    name: 'main' | 'convert' | 'unpack' = 'main'
  ): Promise<{ decoded: Result } & Pick<LentFile, 'handle'>> {
    if (this.#closed) throw closing()
    signal?.throwIfAborted()
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), this.#deadlineMs)
    try {
      this.#pool ??= this.#makePool()
      const { handle, decoded, failed } = await this.#pool.run(file, {
        transferList: [file.handle],
        name,
        signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal
      })
      if (!failed) return { handle, decoded }
      await handle.close()
      throw failed.code === 'disk'
        ? new StorageError(failed.cause)
        : new AppError(failed.code, failed.message, { cause: failed.cause })
    } catch (error) {
      if (error instanceof AppError) throw error
      signal?.throwIfAborted()
      if (deadline.signal.aborted) {
        throw new AppError('UNREADABLE_FILE', `The file takes longer than ${this.#deadlineMs / 1000} s to decode`, {
          cause: error
        })
      }
      if (this.#closed) throw closing(error)
      if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
        throw new AppError('UNREADABLE_FILE', 'The file takes more memory to decode than a recording needs', {
          cause: error
        })
      }
      throw new AppError('INTERNAL_ERROR', 'The file could not be decoded', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }
}

function tooMany (): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'Too many recordings are being decoded: try again in a moment', {
    headers: { 'retry-after': '5' }
  })
}

function closing (cause?: unknown): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The service is shutting down', { cause, headers: { 'retry-after': '5' } })
}
