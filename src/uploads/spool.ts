import { randomUUID } from 'node:crypto'
import { mkdir, open as openFile, readdir, rm, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { UploadBudget } from './budget.ts'

/** So much is collected of an upload before it is written. */
const BLOCK_BYTES = 64 * 1024
/** The names of spool files. */
const NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export interface SpoolOptions {
  directory: string
  /** Bounds the bytes of all files. */
  budget?: UploadBudget
  /** Opens a file, another way only in tests. */
  open?: typeof openFile
}

/** A contiguous part of a spooled file. */
export interface Part {
  /** What it is; several parts may have one name, and are in order then. */
  name: string
  offset: number
  length: number
}

/** A file on its way to another thread, and back. */
export interface LentFile {
  handle: FileHandle
  sizeBytes: number
}

export interface SpooledFile {
  readonly sizeBytes: number
  /**
   * Adds bytes at the end; the next ones may be added when it has resolved.
   * @throws StorageError where they cannot be written; AppError SERVICE_UNAVAILABLE beyond the budget
   */
  append (bytes: Uint8Array): Promise<void>
  /** Writes what is left to write: the file is whole, and nothing of it is in memory. @throws StorageError */
  finish (): Promise<void>
  /**
   * Lets another thread have the file, which is whole, for as long as `use` takes, whose answer brings it back. Where
   * `use` throws, the file may be gone with the thread.
   */
  lend<Answer> (use: (file: LentFile) => Promise<Answer & { handle: FileHandle }>): Promise<Answer>
  /**
   * Accounts for what another thread left in the file where that is more than was appended.
   * @throws AppError SERVICE_UNAVAILABLE beyond the budget
   */
  account (bytes: number): void
  /** Notes that another thread has replaced what was in the file. @throws as `account` does */
  resize (bytes: number): void
  /** The bytes of a part. @throws StorageError where they cannot be read */
  read (part: Part): Promise<Buffer>
  /** Removes the file, wherever it is, and gives its bytes back to the budget. */
  close (): Promise<void>
}

export interface Spool {
  /** A new file, by the budget of uploads unless another is given; nothing is on disk before its first block. */
  file (budget?: UploadBudget): SpooledFile
  /** What is wrong, in a few words: a disk that failed is tried again each time this is called. */
  problem (): Promise<string | undefined>
}

/** The disk cannot take or give what is asked of it: the client may come again. */
export class StorageError extends AppError {
  constructor (cause: unknown) {
    super('SERVICE_UNAVAILABLE', 'Uploads cannot be stored at the moment', { cause, headers: { 'retry-after': '30' } })
  }
}

/**
 * Files of uploads, on disk while they are received, decoded and stored, so that no thread holds them in memory.
 *
 * A file has no name: it is unlinked as soon as it is open, and passed on as its handle. So a process that dies leaves
 * nothing, whatever other processes share the directory. What is found here at start was left between the two steps, or
 * by a system that does not unlink open files; to remove a file that another process has open does no harm either.
 *
 * Never rejects: where the directory cannot be used, that is a `problem`, and each upload is tried.
 */
export async function openSpool (
  { directory, budget = new UploadBudget(), open = openFile }: SpoolOptions
): Promise<Spool> {
  const disk = watchedDisk()
  const blocks = spareBlocks()

  /** A handle without a name; with its path, where the system does not unlink open files. */
  async function create (): Promise<{ handle: FileHandle, path?: string }> {
    const path = join(directory, randomUUID())
    const handle = await open(path, 'wx+', 0o600).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      // The directory was removed while the service runs.
      await mkdir(directory, { recursive: true, mode: 0o700 })
      return await open(path, 'wx+', 0o600)
    })
    return await unlink(path).then(() => ({ handle }), () => ({ handle, path }))
  }

  await disk.run(async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) if (NAME.test(name)) await rm(join(directory, name), { force: true })
  }).catch(() => {})

  return {
    file: (own = budget) => spooledFile(own, create, disk, blocks),
    async problem () {
      if (!disk.failed) return undefined
      const file = spooledFile(new UploadBudget(BLOCK_BYTES), create, disk, blocks)
      try {
        await file.append(Buffer.alloc(BLOCK_BYTES))
        return undefined
      } catch {
        return 'uploads cannot be stored'
      } finally {
        await file.close()
      }
    }
  }
}

/** Whether the last operation on it failed. */
interface Disk {
  failed: boolean
  /** @throws StorageError where the operation fails */
  run<T> (operation: () => Promise<T>): Promise<T>
}

function watchedDisk (): Disk {
  return {
    failed: false,
    async run (operation) {
      try {
        const done = await operation()
        this.failed = false
        return done
      } catch (error) {
        this.failed = true
        throw new StorageError(error)
      }
    }
  }
}

/** Blocks that are used again: a new one for each file would make the process collect garbage often. */
interface Blocks {
  take (): Buffer
  /** What was in it is written; nobody else has it. */
  giveBack (block: Buffer): void
}

/** So many blocks are kept for the next files. */
const SPARE_BLOCKS = 8

function spareBlocks (): Blocks {
  const spare: Buffer[] = []
  return {
    take: () => spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES),
    giveBack (block) { if (spare.length < SPARE_BLOCKS) spare.push(block) }
  }
}

function spooledFile (
  budget: UploadBudget,
  create: () => Promise<{ handle: FileHandle, path?: string }>,
  disk: Disk,
  blocks: Blocks
): SpooledFile {
  const loan = budget.loan()
  let handle: FileHandle | undefined
  let path: string | undefined
  let block: Buffer | undefined
  let filledBytes = 0
  let writtenBytes = 0
  let sizeBytes = 0

  async function flush (): Promise<void> {
    if (handle === undefined) ({ handle, path } = await disk.run(create))
    const into = handle
    for (let at = 0; at < filledBytes;) {
      const { bytesWritten } = await disk.run(() => into.write(block as Buffer, at, filledBytes - at, writtenBytes))
      at += bytesWritten
      writtenBytes += bytesWritten
    }
    filledBytes = 0
  }

  function opened (): FileHandle {
    if (handle === undefined) throw new TypeError('Nothing was written to this file')
    return handle
  }

  return {
    get sizeBytes () { return sizeBytes },

    async append (bytes) {
      loan.take(bytes.length)
      sizeBytes += bytes.length
      block ??= blocks.take()
      for (let at = 0; at < bytes.length;) {
        const piece = bytes.subarray(at, at + BLOCK_BYTES - filledBytes)
        block.set(piece, filledBytes)
        at += piece.length
        filledBytes += piece.length
        if (filledBytes === BLOCK_BYTES) await flush()
      }
    },

    async finish () {
      await flush()
      if (block !== undefined) blocks.giveBack(block)
      block = undefined
    },

    async lend (use) {
      const lent = opened()
      // Where it was not handed over, it is still here to be closed.
      const { handle: returned, ...answer } = await use({ handle: lent, sizeBytes }).catch((error: unknown) => {
        if (error instanceof StorageError) disk.failed = true
        throw error
      })
      handle = returned
      return answer as never
    },

    account (bytes) {
      if (bytes > sizeBytes) this.resize(bytes)
    },

    resize (bytes) {
      // What a smaller one has taken is given back when it is closed.
      if (bytes > sizeBytes) loan.take(bytes - sizeBytes)
      sizeBytes = bytes
    },

    async read ({ offset, length }) {
      const from = opened()
      const bytes = Buffer.allocUnsafeSlow(length)
      for (let at = 0; at < length;) {
        const { bytesRead } = await disk.run(() => from.read(bytes, at, length - at, offset + at))
        if (bytesRead === 0) throw new Error(`A spooled file ends ${length - at} bytes early`)
        at += bytesRead
      }
      return bytes
    },

    async close () {
      block = undefined
      loan.giveBack()
      // Of a handle that is another thread's this does nothing.
      await handle?.close()
      if (path !== undefined) await rm(path, { force: true })
    }
  }
}
