import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { CHUNK_BYTES, packChunks, unpackChunk } from '../../src/uploads/chunks.ts'
import { AppError } from '../../src/errors.ts'
import type { SpooledFile } from '../../src/uploads/spool.ts'
import { DecodingPool, THREAD_FILE } from '../../src/workers/decoding.ts'
import type { Conversion, Decoded, DecodingOptions } from '../../src/workers/decoding.ts'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { openTestSpool, unlinkedFiles } from '../harness/spool.ts'

const TROUBLED = new URL('../harness/fixtures/worker.js', import.meta.url)
const ENDLESS = 1
const EXITS = 2
const HOARDS = 3
const BUG = 4
const DISK = 5

type Test = Pick<typeof t, 'teardown' | 'fail' | 'equal' | 'match'>

const { spool, directory } = await openTestSpool(t)

type Options = Parameters<DecodingPool['decode']>[1]

/** A pool that ends with its test, and is given bytes in a file. */
function pooled (t: Test, options: DecodingOptions = {}) {
  const pool = new DecodingPool({ threads: 1, graceMs: 0, ...options })
  t.teardown(() => pool.close())
  return {
    get load () { return pool.load },
    close: () => pool.close(),
    convertFile: (file: SpooledFile, conversion: Conversion) => pool.convert(file, conversion),
    decodeFile: (file: SpooledFile, options?: Options) => pool.decode(file, options),
    async decode (bytes: Uint8Array, options?: Options): Promise<Decoded & { chunks: Buffer[] }> {
      const file = await spooled(t, bytes)
      try {
        const decoded = await pool.decode(file, options)
        const originals = decoded.parts.filter(({ name }) => name === 'original')
        return { ...decoded, chunks: await Promise.all(originals.map((part) => file.read(part))) }
      } finally {
        await file.close()
      }
    }
  }
}

function trouble (kind: number): Uint8Array {
  return Uint8Array.of(kind, 0, 0, 0)
}

async function rejected (t: Test, work: Promise<unknown>, code: string, words: RegExp): Promise<AppError> {
  const error = await work.then(() => t.fail('was not rejected'), (error: unknown) => error)
  if (!(error instanceof AppError)) throw error
  t.equal(error.code, code)
  t.match(error.message, words)
  return error
}

async function spooled (t: Test, bytes: Uint8Array): Promise<SpooledFile> {
  const file = spool.file()
  t.teardown(() => file.close())
  await file.append(bytes)
  await file.finish()
  return file
}

async function unpacked ({ chunks }: { chunks: Buffer[] }): Promise<Buffer> {
  return Buffer.concat(await Promise.all(chunks.map(unpackChunk)))
}

t.test('decoding returns the figures and the original bytes, compressed', async t => {
  const pool = pooled(t)
  t.same(pool.load, { running: 0, waiting: 0, threads: 0 }, 'no thread before the first file')
  const bytes = fitRun()
  const decoded = await pool.decode(bytes)
  t.ok((await unpacked(decoded)).equals(bytes))
  t.same(decoded.parts.map(({ name }) => name), ['original', 'streams'])
  t.same([decoded.parts[0]?.offset, decoded.parts[1]?.offset], [0, decoded.parts[0]?.length])
  t.equal(decoded.format, 'fit')
  t.same(decoded.warnings, [])
  t.match(decoded.activities, [{ summary: { distance_m: 177 }, activeS: 59 }])
  t.equal(decoded.activities[0]!.heartRateTimes.reduce((sum, seconds) => sum + seconds), 59)
})

t.test('an invalid, truncated or oversized chunk is rejected', async t => {
  const [chunk] = packChunks(Buffer.alloc(CHUNK_BYTES, 'lap'))
  t.equal((await unpackChunk(chunk!)).length, CHUNK_BYTES)
  await t.rejects(unpackChunk(Buffer.from('no gzip')), { code: 'Z_DATA_ERROR' })
  await t.rejects(unpackChunk(Buffer.from(chunk!.subarray(0, -9))), { code: 'Z_BUF_ERROR' })
  await t.rejects(unpackChunk(gzipSync(Buffer.alloc(CHUNK_BYTES + 1))), { code: 'ERR_BUFFER_TOO_LARGE' })
})

t.test('a large file comes back in several parts, in order', async t => {
  const bytes = Buffer.concat([fitRun(), randomBytes(3 * CHUNK_BYTES)])
  const decoded = await pooled(t).decode(bytes)
  t.equal(decoded.chunks.length, 4)
  t.ok((await unpacked(decoded)).equals(bytes))
})

t.test('a disk that fails under a thread is the service’s failure, and the next file is read', async t => {
  const pool = pooled(t, { worker: TROUBLED })
  const { cause } = await rejected(t, pool.decode(trouble(DISK)), 'SERVICE_UNAVAILABLE', /cannot be stored/)
  t.match(cause, /EBADF|out of range/)
  t.equal((await pool.decode(fitRun())).activities.length, 1)
})

t.test('an error of the decoder keeps its message, and the thread stays alive', async t => {
  const pool = pooled(t)
  await rejected(t, pool.decode(new Uint8Array(0)), 'UNREADABLE_FILE', /empty/)
  await rejected(t, pool.decode(fitRun({ type: 'course' })), 'UNREADABLE_FILE', /"course"/)
  t.equal((await pool.decode(fitRun())).activities.length, 1)
  t.equal(pool.load.threads, 1)
})

t.test('the queue of files is bounded and first in, first out', async t => {
  const pool = pooled(t, { queue: 2 })
  const done: string[] = []
  const files = await Promise.all(['a', 'b', 'c'].map(() => spooled(t, fitRun())))
  const decoded = files.map((file, index) => pool.decodeFile(file).then(() => done.push('abc'[index] as string)))
  t.match(pool.load, { running: 1, waiting: 2 })
  const error = await rejected(t, pool.decode(fitRun()), 'SERVICE_UNAVAILABLE', /Too many/)
  t.match(error.headers, { 'retry-after': /^\d+$/ })
  await Promise.all(decoded)
  t.same(done, ['a', 'b', 'c'])
  t.match(pool.load, { running: 0, waiting: 0 })
})

t.test('an upload waits for one conversion, and not for all that came before it', async t => {
  const pool = pooled(t)
  const done: string[] = []
  const files = await Promise.all(['1', '2', '3', 'upload', '4'].map(() => spooled(t, fitRun())))
  const edits = { sport: 'running', subSport: null, crop: null } as const
  const conversion = { format: 'tcx', index: 0, startTime: '2024-01-15T10:30:00Z', name: null, ...edits } as const
  await Promise.all(files.map(async (file, i) => {
    await (i === 3 ? pool.decodeFile(file) : pool.convertFile(file, conversion))
    done.push(['1', '2', '3', 'upload', '4'][i]!)
  }))
  t.same(done, ['1', 'upload', '2', '3', '4'])
})

t.test('a file that has waited too long for a thread is refused', async t => {
  const pool = pooled(t, { worker: TROUBLED, waitMs: 10 })
  const runner = new AbortController()
  const [first, second] = await Promise.all([spooled(t, trouble(ENDLESS)), spooled(t, fitRun())])
  const running = pool.decodeFile(first, { signal: runner.signal })
  const { headers } = await rejected(t, pool.decodeFile(second), 'SERVICE_UNAVAILABLE', /Too many/)
  t.match(headers, { 'retry-after': /^\d+$/ })
  t.match(pool.load, { running: 1, waiting: 0 })
  runner.abort(new Error('hung up'))
  await t.rejects(running, { message: 'hung up' })
  t.equal((await pool.decode(fitRun())).activities.length, 1)
})

t.test('a file that takes too long is aborted with its thread, and the next one is decoded', async t => {
  const pool = pooled(t, { worker: TROUBLED, deadlineMs: 6000 })
  const [, next] = await Promise.all([
    rejected(t, pool.decode(trouble(ENDLESS)), 'UNREADABLE_FILE', /longer than 6 s/),
    pool.decode(fitRun())
  ])
  t.equal(next.activities.length, 1)
})

t.test('what Piscina requires in a thread is no ES module, as a thread that ends while it links one ends the process', async t => {
  t.match(THREAD_FILE, /\.cjs$/)
  t.notMatch(readFileSync(THREAD_FILE, 'utf8'), /require\((?!'node:)/)
})

t.test('a thread that exits, runs out of memory or throws affects only its own file', async t => {
  const pool = pooled(t, { worker: TROUBLED, memoryMb: 40 })
  await rejected(t, pool.decode(trouble(EXITS)), 'INTERNAL_ERROR', /could not be decoded/)
  await rejected(t, pool.decode(trouble(HOARDS)), 'UNREADABLE_FILE', /memory/)
  const { cause } = await rejected(t, pool.decode(trouble(BUG)), 'INTERNAL_ERROR', /could not be decoded/)
  t.match((cause as Error).message, 'a bug')
  t.equal((await pool.decode(fitRun())).activities.length, 1)
})

t.test('a disconnected client frees its thread or its place in the queue', async t => {
  const pool = pooled(t, { worker: TROUBLED })
  const runner = new AbortController()
  const waiter = new AbortController()
  const files = [trouble(ENDLESS), fitRun(), fitRun()].map((bytes) => spooled(t, bytes))
  const [first, second, third] = await Promise.all(files)
  const running = pool.decodeFile(first!, { signal: runner.signal })
  const waiting = pool.decodeFile(second!, { signal: waiter.signal })
  const patient = pool.decodeFile(third!)
  waiter.abort(new Error('left the queue'))
  await t.rejects(waiting, { message: 'left the queue' })
  t.equal(pool.load.waiting, 1)
  runner.abort(new Error('hung up'))
  await t.rejects(running, { message: 'hung up' })
  t.equal((await patient).activities.length, 1)
  await t.rejects(pool.decode(fitRun(), { signal: AbortSignal.abort(new Error('never came')) }), {
    message: 'never came'
  })
})

t.test('a thread is started before the first file where that is asked for, and closing ends it', async t => {
  const pool = new DecodingPool({ threads: 1 })
  pool.warm()
  t.equal(pool.load.threads, 1)
  pool.warm()
  t.equal(pool.load.threads, 1)
  await pool.close()
  pool.warm()
  t.equal(pool.load.threads, 0)
})

t.test('idle threads exit, but for the last one', async t => {
  const pool = pooled(t, { threads: 2, idleMs: 50 })
  const files = await Promise.all([spooled(t, fitRun()), spooled(t, fitRun())])
  const decoded = Promise.all(files.map((file) => pool.decodeFile(file)))
  while (pool.load.threads < 2 && pool.load.running > 0) await new Promise(setImmediate)
  t.equal(pool.load.threads, 2)
  await decoded
  const limit = Date.now() + 10_000
  while (pool.load.threads > 1 && Date.now() < limit) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(pool.load.threads, 1)
})

t.test('closing finishes running work, rejects queued work, and always ends', async t => {
  const pool = pooled(t, { graceMs: 10_000 })
  const [first, second] = await Promise.all([spooled(t, fitRun()), spooled(t, fitRun())])
  const running = pool.decodeFile(first)
  const waiting = rejected(t, pool.decodeFile(second), 'SERVICE_UNAVAILABLE', /shutting down/)
  const closed = pool.close()
  t.equal(pool.close(), closed)
  await waiting
  t.equal((await running).activities.length, 1)
  await closed
  await rejected(t, pool.decode(fitRun()), 'SERVICE_UNAVAILABLE', /shutting down/)

  const stuck = pooled(t, { worker: TROUBLED, graceMs: 100 })
  const file = await spooled(t, trouble(ENDLESS))
  const endless = rejected(t, stuck.decodeFile(file), 'SERVICE_UNAVAILABLE', /shutting down/)
  await stuck.close()
  await endless
  t.equal(stuck.load.threads, 0)
})

t.test('every file is removed in the end, also where its thread has ended', { skip: process.platform !== 'linux' }, async t => {
  while (unlinkedFiles(directory) > 0) await new Promise(setImmediate)
  t.equal(unlinkedFiles(directory), 0)
})
