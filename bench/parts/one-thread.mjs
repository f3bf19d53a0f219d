// How fast one thread decodes the recordings of an archive, with nothing else to do: `one-thread.mjs ARCHIVE FILES`.
import { open, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openArchive } from '../../dist/src/uploads/bulk-archive.js'
import { UploadBudget } from '../../dist/src/uploads/budget.js'
import { openSpool } from '../../dist/src/uploads/spool.js'
import { DecodingPool } from '../../dist/src/workers/decoding.js'

const [path, most] = [process.argv[2], Number(process.argv[3])]
const folder = await mkdtemp(join(tmpdir(), 'running-trainer-thread-'))
const spool = await openSpool({ directory: folder, budget: new UploadBudget(2 ** 40) })
const pool = new DecodingPool({ threads: 1 })
const { signal } = new AbortController()
const handle = await open(path)
const { size } = await handle.stat()
const source = {
  sizeBytes: size,
  read: async ({ offset, length }) => (await handle.read(Buffer.alloc(length), 0, length, offset)).buffer
}
const unpack = (file, packed) => pool.unpack(file, packed, { signal })
const archive = await openArchive(source, { name: 'export.zip', newFile: () => spool.file(), unpack, signal })
const files = []
for await (const member of archive.files()) {
  if (files.length === most || member.refused !== undefined) continue
  const file = spool.file()
  await (await member.copy(file, signal)).unpack()
  files.push(file)
}
// The first ones are to warm up.
const warm = files.splice(0, 20)
for (const file of warm) await pool.decode(file, { signal })
const since = performance.now()
for (const file of files) await pool.decode(file, { signal })
console.log(JSON.stringify({ filesPerS: files.length * 1000 / (performance.now() - since) }))
for (const file of [...warm, ...files]) await file.close()
await pool.close()
await handle.close()
await rm(folder, { recursive: true })
