import { createHash, randomBytes } from 'node:crypto'
import { crc32, gzipSync } from 'node:zlib'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { openArchive, type Archive, type ArchiveFile, type ArchiveSource } from '../../src/uploads/bulk-archive.ts'
import { UploadBudget } from '../../src/uploads/budget.ts'
import { exportTables } from '../../src/uploads/export-details.ts'
import type { SpooledFile } from '../../src/uploads/spool.ts'
import type { Unpack } from '../../src/uploads/unpacking.ts'
import { DecodingPool } from '../../src/workers/decoding.ts'
import { unpackFile } from '../../src/workers/unpack.ts'
import { readSpooled } from '../../src/workers/spooled.ts'
import { example } from '../harness/imports.ts'
import { openTestSpool, unlinkedFiles } from '../harness/spool.ts'
import { writeZip, type ZipEntry } from '../harness/zip-writer.ts'

const { spool, directory } = await openTestSpool(t)
const FIT = example('easy-run.fit')
const GPX = example('park-run.gpx')
const TCX = example('track-session.tcx')
const MIB = 1024 * 1024
const START = '2024-03-01T06:30:00.000Z'
const { signal } = new AbortController()

/** An upload in memory; the longest part that was read of it. */
function sourceOf (bytes: Buffer): ArchiveSource & { longestPart: number } {
  return {
    sizeBytes: bytes.length,
    longestPart: 0,
    async read ({ offset, length }) {
      if (offset < 0 || offset + length > bytes.length) throw new Error('A part beyond the end was asked for')
      this.longestPart = Math.max(this.longestPart, length)
      return bytes.subarray(offset, offset + length)
    }
  }
}

/** As the decoding threads do it, on this one. */
const unpack: Unpack = async (file, member) => {
  const { unpacked } = await file.lend(async (lent) => ({
    handle: lent.handle, unpacked: unpackFile(readSpooled(lent), lent, member)
  }))
  if (unpacked.refused === undefined) file.resize(unpacked.sizeBytes)
  return unpacked
}

async function plainOf (file: ArchiveFile, into: SpooledFile, stop = signal): Promise<Uint8Array> {
  return await (await file.copy(into, stop)).unpack()
}

async function open (bytes: Buffer, name = 'export.zip', newFile: () => SpooledFile = () => spool.file()): Promise<Archive> {
  return await openArchive(sourceOf(bytes), { name, newFile, unpack, signal })
}

/** What became of each file: the number of its plain bytes, or the code of the reason. */
async function outcomes (archive: Archive): Promise<Array<[path: string, outcome: number | string]>> {
  const found: Array<[string, number | string]> = []
  for await (const file of archive.files()) {
    const into = spool.file()
    const outcome = file.refused?.code ?? await plainOf(file, into).then(
      () => into.sizeBytes,
      ({ code, details }: { code: string, details?: { code: string } }) => details?.code ?? code
    )
    await into.close()
    found.push([file.path, outcome])
  }
  await archive.close()
  return found
}

async function outcomesOf (entries: ZipEntry[]): Promise<Array<[string, number | string]>> {
  return await outcomes(await open(writeZip(entries)))
}

t.test('recordings come out as their plain bytes, from folders, gzip and a ZIP in the ZIP', async (t) => {
  const inner = writeZip([{ name: 'a.tcx', data: TCX }, { name: 'deep/b.FIT.GZ', data: gzipSync(FIT) }])
  const zip = writeZip([
    { name: 'activities/' },
    { name: 'activities/1.fit.gz', data: gzipSync(FIT), method: 0 },
    { name: 'activities/2.gpx', data: GPX },
    { name: 'DI_CONNECT/stored.zip', data: inner, method: 0 },
    { name: 'DI_CONNECT/deflated.zip', data: inner },
    { name: 'media/a.jpg', data: Buffer.from('picture') }
  ])
  const archive = await open(zip)
  t.equal(archive.count, 5)
  const paths: string[] = []
  for await (const file of archive.files()) {
    paths.push(file.path)
    if (file.refused !== undefined) continue
    const plain = file.path.toLowerCase().includes('.fit') ? FIT : file.path.includes('.gpx') ? GPX : TCX
    const into = spool.file()
    const sha256 = await plainOf(file, into)
    t.ok((await into.read({ name: 'all', offset: 0, length: into.sizeBytes })).equals(plain), file.path)
    t.same(Buffer.from(sha256), createHash('sha256').update(plain).digest(), 'the digest is of the plain bytes')
    await into.close()
  }
  await archive.close()
  t.same(paths, [
    'activities/1.fit.gz',
    'activities/2.gpx',
    'DI_CONNECT/stored.zip/a.tcx',
    'DI_CONNECT/stored.zip/deep/b.FIT.GZ',
    'DI_CONNECT/deflated.zip/a.tcx',
    'DI_CONNECT/deflated.zip/deep/b.FIT.GZ',
    'media/a.jpg'
  ])
})

t.test('the files are the same ones in the same order each time', async (t) => {
  const entries = Array.from({ length: 40 }, (_, i) => ({ name: `${i % 7}/${i}.gpx`, data: Buffer.from(`<gpx>${i}`) }))
  const archive = await open(writeZip(entries))
  const namesOf = async () => {
    const names: string[] = []
    for await (const { path, fileName } of archive.files()) names.push(`${path} ${fileName}`)
    return names
  }
  t.same(await namesOf(), await namesOf())
  t.equal((await namesOf()).length, archive.count)
  await archive.close()
})

t.test('an upload that is no ZIP is one file', async (t) => {
  for (const [name, bytes, path, outcome] of [
    ['run.fit', FIT, 'run.fit', FIT.length],
    ['C:\\runs\\run.gpx.gz', gzipSync(GPX), 'C:\\runs\\run.gpx.gz', GPX.length],
    ['empty.fit', Buffer.alloc(0), 'empty.fit', 'EMPTY_FILE'],
    ['one.fit', Buffer.of(1), 'one.fit', 1],
    ['cut.fit.gz', gzipSync(FIT).subarray(0, 500), 'cut.fit.gz', 'MEMBER_DAMAGED'],
    ['nothing.fit.gz', gzipSync(''), 'nothing.fit.gz', 'EMPTY_FILE']
  ] as const) {
    const archive = await open(bytes, name)
    t.equal(archive.count, 1)
    t.same(await outcomes(archive), [[path, outcome]], name)
  }
})

t.test('each file that cannot be imported has its reason, and the others come through', async (t) => {
  const good = { name: 'good.fit', data: FIT }
  const link = { madeBy: 3, attributes: (0o120777 << 16) >>> 0, method: 0 }
  const zeros = Buffer.alloc(40 * MIB)
  for (const [code, entry] of [
    ['NOT_A_RECORDING', { name: 'photo.jpg', data: FIT }],
    ['NOT_A_RECORDING', { name: 'activities.csv', data: Buffer.from('') }],
    ['SYSTEM_FILE', { name: '__MACOSX/activities/._1.fit', data: FIT }],
    ['SYSTEM_FILE', { name: 'activities/._1.fit', data: FIT }],
    ['SYSTEM_FILE', { name: '.DS_Store', data: FIT }],
    ['SYSTEM_FILE', { name: 'a/Thumbs.db', data: FIT }],
    ['EMPTY_FILE', { name: 'a.fit' }],
    ['NOT_A_FILE', { name: 'link.fit', data: Buffer.from('/etc/passwd'), ...link }],
    ['NOT_A_FILE', { name: 'device.fit', madeBy: 19, attributes: (0o020666 << 16) >>> 0 }],
    ['UNSAFE_PATH', { name: '../../etc/cron.d/a.fit', data: FIT }],
    ['UNSAFE_PATH', { name: 'a/../../b.fit', data: FIT }],
    ['UNSAFE_PATH', { name: '..\\b.fit', data: FIT }],
    ['UNSAFE_PATH', { name: '/etc/a.fit', data: FIT }],
    ['UNSAFE_PATH', { name: 'C:\\a.fit', data: FIT }],
    ['UNSAFE_PATH', { name: 'a\0.fit', data: FIT }],
    ['ENCRYPTED', { name: 'a.fit', data: FIT, flags: 1 }],
    ['ENCRYPTED', { name: 'aes.fit', packed: FIT, data: FIT, method: 99 }],
    ['COMPRESSION_UNSUPPORTED', { name: 'a.fit', packed: FIT, data: FIT, method: 14 }],
    ['TOO_LARGE', { name: 'a.gpx', data: randomBytes(33 * MIB), method: 0 }],
    ['SUSPICIOUS_RATIO', { name: 'zeros.gpx', data: zeros }],
    ['TOO_LARGE', { name: 'zeros.gpx.gz', data: gzipSync(zeros) }],
    ['MEMBER_DAMAGED', { name: 'says-less.gpx', data: zeros, says: { size: 100 } }],
    ['MEMBER_DAMAGED', { name: 'says-more.fit', data: FIT, says: { size: FIT.length + 1 } }],
    ['MEMBER_DAMAGED', { name: 'crc.fit', data: FIT, says: { crc: 1 } }],
    ['MEMBER_DAMAGED', { name: 'stored.fit', data: FIT, method: 0, says: { size: 9 } }],
    ['TOO_LARGE', { name: 'says-less.fit', data: randomBytes(33 * MIB), says: { size: 100 } }],
    ['MEMBER_DAMAGED', { name: 'no-deflate.fit', data: FIT, packed: Buffer.from('not Deflate at all') }],
    ['MEMBER_DAMAGED', { name: 'cut.fit.gz', data: gzipSync(FIT).subarray(0, 900) }],
    ['ARCHIVE_DAMAGED', { name: 'not.zip', data: FIT }],
    ['ARCHIVE_DAMAGED', { name: 'cut.zip', data: writeZip([good]).subarray(0, 300) }],
    ['ENCRYPTED', { name: 'locked.zip', data: writeZip([good]), flags: 1 }]
  ] as Array<[string, ZipEntry]>) {
    const [[, outcome], [path, size]] = await outcomesOf([entry, good]) as [[string, string], [string, number]]
    t.equal(outcome, code, `${code}: ${String(entry.name)}`)
    t.same([path, size], ['good.fit', FIT.length])
  }
})

t.test('a ZIP in a ZIP in a ZIP is not opened', async (t) => {
  const third = writeZip([{ name: 'a.fit', data: FIT }])
  const second = writeZip([{ name: 'third.zip', data: third }, { name: 'b.fit', data: FIT }])
  t.same(await outcomesOf([{ name: 'second.zip', data: second }]), [
    ['second.zip/third.zip', 'NESTED_TOO_DEEP'],
    ['second.zip/b.fit', FIT.length]
  ])
})

t.test('an archive that cannot be used at all is refused with the reason', async (t) => {
  const zip = writeZip([{ name: 'a.fit', data: FIT }, { name: 'b.fit', data: FIT }])
  const same = { name: 'a.gpx', data: GPX }
  const beyond = writeZip([{ name: 'a.fit', data: FIT, zip64: true }], { zip64: true })
  beyond.writeBigUInt64LE(0xffffffffffffffffn, beyond.length - 22 - 20 + 8)
  for (const [name, bytes, code] of [
    ['cut off in the directory', zip.subarray(0, zip.length - 30), 'ARCHIVE_DAMAGED'],
    ['cut off at nine tenths', zip.subarray(0, zip.length * 0.9), 'ARCHIVE_DAMAGED'],
    ['cut off after its first bytes', zip.subarray(0, 4), 'ARCHIVE_DAMAGED'],
    ['of an end that says too many entries', writeZip([same], { count: 7 }), 'ARCHIVE_DAMAGED'],
    ['whose ZIP64 end is beyond it', beyond, 'ARCHIVE_DAMAGED'],
    ['with entries of the same bytes', writeZip([same, { ...same, name: 'b.gpx', says: { offset: 0 } }]), 'ARCHIVE_OVERLAPPING'],
    ['of 100,000 files', writeZip([same], { count: 100_000, zip64: true }), 'TOO_MANY_MEMBERS']
  ] as const) {
    t.match(await open(bytes).catch((error: unknown) => error), { details: { code } }, name)
  }
  t.same(await outcomes(await open(writeZip([]))), [], 'an empty one has no files')
  const inside = await outcomesOf([{ name: 'bomb.zip', data: writeZip([same, { ...same, says: { offset: 0 } }]) }])
  t.same(inside, [['bomb.zip', 'ARCHIVE_OVERLAPPING']])
})

t.test('thousands of files are listed, and those of a ZIP in the ZIP count among 50,000', async (t) => {
  const entries = Array.from({ length: 5000 }, (_, i) => ({ name: `${i}.jpg`, method: 0 }))
  const inner = (count: number) => ({ name: `${count}.zip`, data: writeZip([{ name: 'a.fit', data: FIT }], { count, zip64: true }) })
  const archive = await open(writeZip([...entries, inner(1), inner(44_998)], { zip64: true }))
  t.equal(archive.count, 5002)
  const reasons: unknown[] = []
  for await (const { path, refused } of archive.files()) reasons.push(refused?.code ?? path)
  t.same(reasons.splice(0, 5000), Array(5000).fill('NOT_A_RECORDING'))
  t.same(reasons, ['1.zip/a.fit', 'TOO_MANY_MEMBERS'])
})

t.test('names in UTF-8 and CP437 are read, whether the archive says which or not', async (t) => {
  const unicode = (name: string, oldName: string): Buffer => {
    const extra = Buffer.alloc(9)
    extra.writeUInt16LE(0x7075, 0)
    extra.writeUInt16LE(5 + Buffer.byteLength(name), 2)
    extra.writeUInt8(1, 4)
    extra.writeUInt32LE(crc32(oldName), 5)
    return Buffer.concat([extra, Buffer.from(name)])
  }
  const outcome = await outcomesOf([
    { name: 'Läufe/été.gpx', flags: 0x800 },
    { name: 'Läufe/走る.gpx' },
    { name: Buffer.from([0x4c, 0x84, 0x75, 0x66, 0x65, 0x2e, 0x67, 0x70, 0x78]) },
    { name: Buffer.from('L?ufe.gpx'), extra: unicode('Läufe.gpx', 'L?ufe.gpx') },
    { name: `${'long/'.repeat(100)}ü.gpx` },
    { name: 'a\u001b[31m\u202e.gpx' }
  ])
  const names = outcome.map(([path]) => path)
  t.same(names.slice(0, 4), ['Läufe/été.gpx', 'Läufe/走る.gpx', 'Läufe.gpx', 'Läufe.gpx'])
  t.equal(Array.from(names[4]!).length, 255)
  t.ok(names[4]!.endsWith('/long/ü.gpx'))
  t.equal(names[5], 'a\ufffd[31m\ufffd.gpx', 'control characters do not reach a terminal')
})

t.test('ZIP64 is read, and so is an archive with a comment', async (t) => {
  const archive = await open(writeZip([{ name: 'a.fit', data: FIT, zip64: true }], { zip64: true, comment: 'by a tool' }))
  t.same(await outcomes(archive), [['a.fit', FIT.length]])
})

t.test("Strava's table tells names, notes, gear and races, in each language", async (t) => {
  const english = [
    'Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,Max Heart Rate,' +
      'Relative Effort,Commute,Activity Private Note,Activity Gear,Filename,Elapsed Time,Distance,Type,Competition',
    '1,"Mar 1, 2024, 6:30:00 AM",City Marathon,Run,"Cold, ""windy""\nand long",9000,42.2,180,,false,,Road shoes,activities/1.fit.gz,9000,42195,,1.0',
    '2,"Mar 2, 2024, 6:30:00 AM",Recovery,Run,,1800,5,,,false,,,activities/2.GPX,1800,5000,,0.0',
    '3,"Mar 3, 2024, 6:30:00 AM",No file,Weight Training,,1800,0,,,false,,,,1800,0,,'
  ].join('\r\n')
  const czech = [
    'ID aktivity,Datum,Název aktivity,Typ aktivity,Popis aktivity,Čas,Vzdálenost,TF,Úsilí,Dojíždění,Poznámka,Vybavení na aktivitu,Název souboru,Závod',
    '1,1. 3. 2024,City Marathon,Běh,Long,9000,"42,2",,,,,Road shoes,activities/1.fit.gz,1'
  ].join('\n')
  const unknown = [
    'a,b,c,d,e,f,g,h,i,j,k,l,m',
    ',,,,,,,,,,,,',
    '1,x,City Marathon,Run,Long,9000,"42,2",,,,,Road shoes,activities/1.fit.gz'
  ].join('\n')
  const shuffled = [
    'Filename,Activity Gear,Distance,Activity Name,Distance,Type',
    'activities/1.fit.gz,Road shoes,42.2,City Marathon,42195,1'
  ].join('\n')
  const marathon = { name: 'City Marathon', gear: 'Road shoes' }
  for (const [language, csv, expected] of [
    ['English', english, { ...marathon, is_race: true, notes: 'Cold, "windy"\nand long', sport: 'running' }],
    ['English with a byte order mark', `\ufeff${english}`, { ...marathon, is_race: true }],
    ['Czech', czech, { ...marathon, is_race: true, notes: 'Long', sport: 'running' }],
    ['a language that is not known', unknown, { ...marathon, is_race: false, notes: 'Long', sport: 'running' }],
    ['another order', shuffled, { ...marathon, is_race: true, notes: null, sport: null }]
  ] as const) {
    const archive = await open(writeZip([
      { name: 'export/activities/1.fit.gz', data: gzipSync(FIT) },
      { name: 'export/activities/2.gpx', data: GPX },
      { name: 'export/activities.csv', data: Buffer.from(csv) }
    ]))
    const [first, second] = await detailsOf(archive)
    t.match(first, expected, language)
    if (language === 'English') t.match(second, { name: 'Recovery', notes: null, gear: null, is_race: false })
  }
})

t.test("Garmin's list tells names by the start of the activity", async (t) => {
  const entries = [
    { activityId: 7, name: 'City "Half" {10} [km]', activityType: 'street_running', eventTypeId: 1, beginTimestamp: Date.parse(START), splits: [{ a: {} }] },
    { name: 'Another', beginTimestamp: Date.parse(START) + 60_000 },
    { name: 'Without a start' },
    'no object'
  ]
  const json = JSON.stringify([{ summarizedActivitiesExport: entries }])
  const archive = await open(writeZip([
    { name: 'DI_CONNECT/UploadedFiles_0-_Part1.zip', data: writeZip([{ name: 'me_7.fit', data: FIT }]) },
    { name: 'DI_CONNECT/DI-Connect-Fitness/me_0_summarizedActivities.json', data: Buffer.from(json) }
  ]))
  t.match((await detailsOf(archive))[0], { name: 'City "Half" {10} [km]', gear: null, is_race: true, sport: 'running' })
})

t.test('a table is read in pieces, between which other work goes', async (t) => {
  const row = '1,A run,activities/1.fit\n'
  const csv = Buffer.from('Activity ID,Activity Name,Filename\n' + row.repeat(4000))
  const entry = JSON.stringify({ name: 'A run', beginTimestamp: Date.parse(START) })
  const json = Buffer.from(`[{"summarizedActivitiesExport":[${Array(1500).fill(entry).join()}]}]`)
  for (const [read, bytes] of [['readCsv', csv], ['readJson', json]] as const) {
    let turns = 0
    let isRead = false
    const count = (): void => {
      turns++
      if (!isRead) setImmediate(count)
    }
    const tables = exportTables()
    setImmediate(count)
    await tables[read]((async function * () { yield bytes })())
    isRead = true
    t.match(tables.find('activities/1.fit', START), { name: 'A run' })
    t.ok(turns > bytes.length / 16_384, `${read}: ${turns} turns of the event loop for ${bytes.length} bytes`)
  }
})

t.test('a table that is damaged, huge or not one costs names and no recording', async (t) => {
  const header = 'Activity ID,Activity Name,Filename\n'
  for (const [name, data] of [
    ['activities.csv', Buffer.from(`${header}1,"never closed,activities/1.fit\n${'x'.repeat(300_000)}`)],
    ['activities.csv', Buffer.from('')],
    ['activities.csv', Buffer.from('no table at all')],
    ['activities.csv', randomBytes(100_000)],
    ['a_summarizedActivities.json', Buffer.from('[{"summarizedActivitiesExport":[{"name":')],
    ['a_summarizedActivities.json', Buffer.from('{"a":[[[[[[[[')],
    ['a_summarizedActivities.json', Buffer.from(']]]}}}"')],
    ['a_summarizedActivities.json', Buffer.from(`[{"a":[{"name":"${'x'.repeat(300_000)}"}]}]`)]
  ] as const) {
    const entries = [{ name: '1.fit', data: FIT }, { name, data }]
    t.same((await outcomesOf(entries))[0], ['1.fit', FIT.length], name)
    const corrupt = writeZip([entries[0]!, { name, data: Buffer.from('aaaa'), packed: Buffer.from('no Deflate') }])
    t.same((await outcomes(await open(corrupt)))[0], ['1.fit', FIT.length], `${name}, damaged`)
  }
})

t.test('what the disk or the source fails at is no fault of the archive', async (t) => {
  const zip = writeZip([{ name: 'a.zip', data: writeZip([{ name: 'a.fit', data: FIT }]) }, { name: 'b.fit', data: FIT }])
  const full = await open(zip, 'export.zip', () => spool.file(new UploadBudget(10)))
  await t.rejects(outcomes(full), { code: 'SERVICE_UNAVAILABLE' })
  await full.close()
  const lost = new Error('the database is gone')
  for (let reads = 1; reads < 8; reads++) {
    const source = sourceOf(zip)
    let left = reads
    const failing: ArchiveSource = {
      sizeBytes: zip.length,
      read: async (part) => { if (left-- === 0) throw lost; return await source.read(part) }
    }
    const archive = openArchive(failing, { name: 'a.zip', newFile: () => spool.file(), unpack, signal })
    const seen = await archive.then(async (archive) => {
      const into = spool.file()
      try {
        for await (const file of archive.files()) await plainOf(file, into)
      } finally {
        await archive.close()
        await into.close()
      }
      return undefined
    }).catch((error: unknown) => error)
    t.ok(seen === undefined || seen === lost, `after ${reads} reads: ${String(seen)}`)
  }
})

t.test('an archive is read in small parts, and reading stops with the signal', async (t) => {
  const source = sourceOf(writeZip([{ name: 'a.gpx', data: randomBytes(3 * MIB), method: 0 }]))
  const controller = new AbortController()
  const archive = await openArchive(source, { name: 'a.zip', newFile: () => spool.file(), unpack, signal: controller.signal })
  for await (const file of archive.files()) {
    const into = spool.file()
    await plainOf(file, into)
    t.equal(into.sizeBytes, 3 * MIB)
    t.ok(source.longestPart <= 64 * 1024)
    controller.abort(new Error('stopped'))
    await t.rejects(plainOf(file, into, controller.signal), { message: 'stopped' })
    await into.close()
  }
  await archive.close()
})

t.test('damaged anywhere, an archive is read or refused, and nothing else', async (t) => {
  const zip = writeZip([
    { name: 'a.fit', data: FIT.subarray(0, 500) },
    { name: 'b.zip', data: writeZip([{ name: 'c.gpx.gz', data: gzipSync('<gpx/>') }]) },
    { name: 'activities.csv', data: Buffer.from('Filename,Activity Name\na.fit,A run\n') },
    { name: 'd.tcx', data: Buffer.from('<TrainingCenterDatabase/>'), zip64: true }
  ], { zip64: true, comment: 'x' })
  const damage = fc.array(fc.tuple(fc.nat(zip.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
  await fc.assert(fc.asyncProperty(damage, fc.integer({ min: 22, max: zip.length }), async (places, length) => {
    const bytes = Buffer.from(zip)
    for (const [at, value] of places) bytes[at] = value
    for (const damaged of [bytes, bytes.subarray(0, length)]) {
      const archive = await open(damaged).catch((error: { code: string }) => error.code)
      if (typeof archive === 'string') t.match(archive, /^(UNREADABLE_FILE|PAYLOAD_TOO_LARGE)$/)
      else await outcomes(archive).catch(({ code }) => t.equal(code, 'UNREADABLE_FILE'))
    }
  }), { numRuns: 60 })
})

t.test('a decoding thread unpacks a file in its place, and its budget accounts for what it has become', async (t) => {
  const decoding = new DecodingPool()
  t.teardown(async () => { await decoding.close() })
  const packed = gzipSync(FIT)
  const spooled = async (budget?: UploadBudget): Promise<SpooledFile> => {
    const file = spool.file(budget)
    await file.append(packed)
    await file.finish()
    return file
  }
  const file = await spooled()
  const digest = createHash('sha256').update(FIT).digest()
  t.match(await decoding.unpack(file, undefined), { sizeBytes: FIT.length, refused: undefined, sha256: digest })
  t.equal(file.sizeBytes, FIT.length)
  t.ok((await file.read({ name: 'all', offset: 0, length: file.sizeBytes })).equals(FIT))
  const other = { deflated: false, sizeBytes: FIT.length, crc32: crc32(FIT) + 1 }
  t.same(await decoding.unpack(file, other), { refused: 'MEMBER_DAMAGED' })
  await file.close()
  const budget = new UploadBudget(FIT.length - 1)
  const tooMuch = await spooled(budget)
  await t.rejects(decoding.unpack(tooMuch, undefined), { code: 'SERVICE_UNAVAILABLE' })
  await tooMuch.close()
  t.equal(budget.leftBytes, FIT.length - 1)
})

async function detailsOf (archive: Archive): Promise<unknown[]> {
  const details: unknown[] = []
  for await (const file of archive.files()) details.push(file.details(START))
  await archive.close()
  return details
}

t.test('no file is left', { skip: process.platform !== 'linux' }, async (t) => {
  t.equal(unlinkedFiles(directory), 0)
})
