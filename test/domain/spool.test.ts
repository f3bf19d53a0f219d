import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { healthChecks } from '../../src/health/checks.ts'
import { UploadBudget } from '../../src/uploads/budget.ts'
import { StorageError, openSpool, type Spool, type SpooledFile } from '../../src/uploads/spool.ts'
import { readSpooled, writeParts } from '../../src/workers/spooled.ts'
import { openTestSpool, unlinkedFiles } from '../harness/spool.ts'

const LINUX = process.platform === 'linux'

async function contentsOf (file: SpooledFile): Promise<Buffer> {
  await file.finish()
  const { bytes } = await file.lend(async (lent) => ({ handle: lent.handle, bytes: readSpooled(lent) }))
  return Buffer.from(bytes)
}

async function diskOf (spool: Spool): Promise<unknown> {
  const disk = healthChecks({
    database: { ping: async () => 1, stats: () => ({ max: 1, waiting: 0, waitingCommits: 0 }) },
    preparation: { explain: () => '', problem: () => undefined },
    sink: { status: () => ({ degraded: false }) } as never,
    spool,
    directories: [],
    jobs: { problem: () => undefined },
    clients: { problem: () => undefined }
  }).find(({ name }) => name === 'disk')
  return await disk?.look().then(() => 'healthy', (problem: unknown) => problem)
}

t.test('what another thread left in a file counts against the budget until the file is removed', async (t) => {
  const { spool } = await openTestSpool(t)
  const budget = new UploadBudget(1000)
  const file = spool.file(budget)
  await file.append(Buffer.alloc(100))
  file.account(50)
  t.equal(budget.leftBytes, 900)
  file.account(700)
  t.equal(budget.leftBytes, 300)
  t.throws(() => file.account(1001), { code: 'SERVICE_UNAVAILABLE' })
  await file.close()
  t.equal(budget.leftBytes, 1000)
})

t.test('bytes come out as they went in, however they were cut', async (t) => {
  const { spool } = await openTestSpool(t)
  const sizes = fc.array(
    fc.oneof(fc.nat(40), fc.integer({ min: 10_000, max: 70_000 }), fc.constantFrom(0, 65_535, 65_536, 65_537, 200_000)),
    { maxLength: 12 }
  )
  await fc.assert(fc.asyncProperty(sizes, async (sizes) => {
    const whole = randomBytes(sizes.reduce((sum, size) => sum + size, 0))
    const file = spool.file()
    let at = 0
    for (const size of sizes) await file.append(whole.subarray(at, at += size))
    t.equal(file.sizeBytes, whole.length)
    t.ok(whole.equals(await contentsOf(file)))
    await file.close()
  }), { numRuns: 40 })
})

t.test('what is written in its place is read part by part', async (t) => {
  const { spool } = await openTestSpool(t)
  const file = spool.file()
  await file.append(randomBytes(100_000))
  await file.finish()
  const pieces = [3, 0, 70_000, 200_000].map((size, index) => ({ name: `piece ${index}`, bytes: randomBytes(size) }))
  const { parts } = await file.lend(async (lent) => ({ handle: lent.handle, parts: writeParts(lent, pieces) }))
  t.same(parts.map(({ name }) => name), pieces.map(({ name }) => name))
  for (const [index, part] of parts.entries()) t.ok((await file.read(part)).equals(pieces[index]!.bytes), part.name)
  await t.rejects(file.read({ name: 'beyond', offset: 270_000, length: 4 }), { message: /ends 1 bytes early/ })
  await file.close()
})

t.test('a file takes from the budget as it grows, and gives all back when it is closed', async (t) => {
  const budget = new UploadBudget(100_000)
  const { spool } = await openTestSpool(t, { budget })
  const [one, other] = [spool.file(), spool.file()]
  await one.append(Buffer.alloc(70_000))
  t.equal(budget.leftBytes, 30_000)
  await t.rejects(other.append(Buffer.alloc(30_001)), { code: 'SERVICE_UNAVAILABLE', headers: { 'retry-after': '1' } })
  await one.close()
  t.equal(budget.leftBytes, 100_000)
  await other.append(Buffer.alloc(100_000))
  await other.close()
  t.equal(budget.leftBytes, 100_000)
})

t.test('a file is its owner’s alone, has no name, and is gone when it is closed', { skip: !LINUX }, async (t) => {
  const opened: number[] = []
  const { spool, directory } = await openTestSpool(t, {
    open: async (...given) => {
      const handle = await open(...given)
      opened.push((await handle.stat()).mode & 0o777)
      return handle
    }
  })
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  const file = spool.file()
  t.same(opened, [], 'nothing on disk before the first block')
  await file.append(Buffer.alloc(100_000))
  t.same(opened, [0o600])
  t.same(readdirSync(directory), [])
  t.equal(unlinkedFiles(directory), 1)
  await file.close()
  t.equal(unlinkedFiles(directory), 0)
})

t.test('what a process left is removed at the next start, and no file of another process is harmed', async (t) => {
  const { spool, directory } = await openTestSpool(t)
  const file = spool.file()
  await file.append(Buffer.alloc(100_000, 'lap'))
  await writeFile(join(directory, randomUUID()), 'left by a process that was killed')
  await writeFile(join(directory, 'notes.txt'), 'of somebody else')
  await openSpool({ directory })
  t.same(readdirSync(directory), ['notes.txt'])
  t.ok((await contentsOf(file)).equals(Buffer.alloc(100_000, 'lap')))
  await file.close()
})

t.test('where another start removes a file that was just opened, it is used all the same', async (t) => {
  const { spool } = await openTestSpool(t, {
    open: async (path, flags, mode) => {
      const handle = await open(path, flags, mode)
      await rm(path)
      return handle
    }
  })
  const file = spool.file()
  await file.append(Buffer.alloc(70_000, 'lap'))
  t.equal((await contentsOf(file)).length, 70_000)
  await file.close()
})

t.test('a directory that was removed is made again', async (t) => {
  const { spool, directory } = await openTestSpool(t)
  await rm(directory, { recursive: true })
  const file = spool.file()
  await file.append(Buffer.alloc(70_000))
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  await file.close()
})

t.test('a full disk is told, by the health check too until it has room again', { skip: !LINUX }, async (t) => {
  let full = true
  const { spool } = await openTestSpool(t, {
    open: async (path, flags, mode) => full ? await open('/dev/full', 'r+') : await open(path, flags, mode)
  })
  t.equal(await diskOf(spool), 'healthy')
  const file = spool.file()
  const error = await file.append(Buffer.alloc(70_000)).then(() => undefined, (error: unknown) => error)
  t.type(error, StorageError)
  t.match(error, { code: 'SERVICE_UNAVAILABLE', headers: { 'retry-after': /^\d+$/ }, cause: { code: 'ENOSPC' } })
  await file.close()
  t.match(await diskOf(spool), { message: 'uploads cannot be stored', status: 'degraded' })
  full = false
  t.equal(await diskOf(spool), 'healthy')
})

t.test('a directory that cannot be used keeps nothing from starting', async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'running-trainer-spool-'))
  t.teardown(() => rm(place, { recursive: true, force: true }))
  const directory = join(place, 'spool')
  await writeFile(directory, 'no directory')
  const spool = await openSpool({ directory })
  const file = spool.file()
  await t.rejects(file.append(Buffer.alloc(70_000)), { code: 'SERVICE_UNAVAILABLE', cause: { code: 'ENOTDIR' } })
  await file.close()
  t.match(await diskOf(spool), { status: 'degraded' })
  await rm(directory)
  await mkdir(directory)
  t.equal(await diskOf(spool), 'healthy')
})
