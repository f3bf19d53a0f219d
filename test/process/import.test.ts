import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { progressOn } from '../../src/commands/imports/progress.ts'
import { ended } from '../harness/bulk-imports.ts'
import { example } from '../harness/imports.ts'
import { runNode, spawnNode } from '../harness/plain-node.ts'
import { startService, type Runner } from '../harness/service.ts'
import { writeZip } from '../harness/zip-writer.ts'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const FIT = example('easy-run.fit')
const GPX = example('park-run.gpx')
const TCX = example('track-session.tcx')
const { runner, app } = await startService(t)
const url = await app.listen({ host: '127.0.0.1', port: 0 })

/** A folder with these files, removed when the test ends. */
function folderOf (t: { teardown (end: () => unknown): unknown }, files: Record<string, Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-import-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
  return folder
}

async function command (args: string[], { token, to = url }: { token?: string | undefined, to?: string } = {}) {
  const env = { RUNNING_TRAINER_URL: to, ...(token === undefined ? {} : { RUNNING_TRAINER_TOKEN: token }) }
  return await runNode([CLI, 'import', ...args], { env })
}

const activities = async (ann: Runner) => (await ann.call('GET', '/activities')).body.items as Array<{ name: string | null }>

t.test('a folder is sent as it is an export, and each file is reported', async (t) => {
  const ann = await runner()
  const folder = folderOf(t, {
    'activities/1.fit.gz': gzipSync(FIT),
    'activities/2.gpx': GPX,
    'activities/3.gpx': GPX.subarray(0, 300),
    'activities.csv': Buffer.from('Activity Name,Filename\nIn the park,activities/2.gpx\n'),
    'media/picture.jpg': Buffer.from('picture'),
    '.hidden.fit': FIT
  })
  symlinkSync('/etc/passwd', join(folder, 'link.gpx'))
  const sent = await command([folder], { token: ann.access_token })
  t.equal(sent.status, 1, 'a file failed')
  t.match(sent.stdout, /^Sending 4 files \(.* MiB\); 2 that are no recordings are left out$/m)
  t.match(sent.stdout, /^ {2}imported {3}.*1\.fit\.gz$/m)
  t.match(sent.stdout, /^ {2}failed {5}.*3\.gpx: .+$/m)
  t.match(sent.stdout, /^2 imported, 0 duplicates, 1 skipped, 1 failed$/m)
  t.match(sent.stderr, /^Sending: 100 %$/m, 'without a terminal, progress is lines')
  t.same((await activities(ann)).map(({ name }) => name).includes('In the park'), true)
  const quiet = await command(['--quiet', folder], { token: ann.access_token })
  t.notMatch(quiet.stdout, /1\.fit\.gz/, 'the same import is told of again')
  t.match(quiet.stdout, /^2 imported/m)
  t.equal((await activities(ann)).length, 2)
})

t.test('files and ZIP archives are sent as they are', async (t) => {
  const ann = await runner()
  const folder = folderOf(t, {
    'run.tcx': TCX,
    'a "quoted" name.fit': FIT,
    'export.zip': writeZip([{ name: 'a.gpx', data: GPX }])
  })
  const paths = ['run.tcx', 'a "quoted" name.fit', 'export.zip'].map((name) => join(folder, name))
  const sent = await command(['--url', url, '--token', ann.access_token, ...paths], { to: 'http://127.0.0.1:1' })
  t.equal(sent.status, 0, sent.stdout)
  t.match(sent.stdout, /^3 imported, 0 duplicates, 0 skipped, 0 failed$/m)
  t.match(sent.stdout, /imported {3}a "quoted" name\.fit$/m)
  const [, id] = /^Import (\S+)$/m.exec(sent.stdout)!
  t.match((await command(['--resume', id!], { token: ann.access_token })), { status: 0, stdout: /^3 imported/m })
})

t.test('what was taken back is sent as another import', async (t) => {
  const ann = await runner()
  const path = join(folderOf(t, { 'run.fit': FIT }), 'run.fit')
  const [, first] = /^Import (\S+)$/m.exec((await command([path], { token: ann.access_token })).stdout)!
  t.equal((await ann.call('DELETE', `/imports/${first}`)).status, 204)
  await ended(ann, first!)
  t.match(await command(['--resume', first!], { token: ann.access_token }), { status: 1, stdout: /taken back/ })
  for (const again of ['once', 'twice']) {
    const sent = await command([path], { token: ann.access_token })
    t.match(sent, { status: 0, stdout: /^1 imported/m }, again)
    t.notMatch(sent.stdout, first)
  }
  t.equal((await activities(ann)).length, 1)
})

t.test('each thing that is wrong has its words and its exit code', async (t) => {
  const ann = await runner()
  const path = join(folderOf(t, { 'run.fit': FIT }), 'run.fit')
  for (const [name, status, words, args, options] of [
    ['no token', 64, /RUNNING_TRAINER_TOKEN/, [path], {}],
    ['no file', 64, /Name the files/, [], { token: ann.access_token }],
    ['no address', 64, /address of the service/, ['--url', 'nonsense', path], { token: ann.access_token }],
    ['an option that is not known', 64, /Usage/, ['--nonsense', path], { token: ann.access_token }],
    ['a token that is not valid', 77, /not valid, or has expired/, [path], { token: 'rt_wrong' }],
    ['a service that is not there', 69, /cannot be reached \(ECONNREFUSED\)/, [path], { token: ann.access_token, to: 'http://127.0.0.1:1' }],
    ['a file that is not there', 66, /missing\.fit cannot be read \(ENOENT\)/, [join(dirname(path), 'missing.fit')], { token: ann.access_token }],
    ['an empty folder', 66, /nothing to import/, [folderOf(t, {})], { token: ann.access_token }],
    ['an import that is not there', 1, /import/, ['--resume', '01890000-0000-7000-8000-000000000000'], { token: ann.access_token }]
  ] as Array<[string, number, RegExp, string[], { token?: string, to?: string }]>) {
    const run = await command(args, options)
    t.equal(run.status, status, `${name}: ${run.stdout}${run.stderr}`)
    t.match(run.stdout + run.stderr, words, name)
  }
  t.same(await activities(ann), [])
})

/** A service that answers as a test wants. */
async function pretend (t: { teardown (end: () => unknown): unknown }, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('an upload that the service cannot take now is sent again with the same key', async (t) => {
  const keys: unknown[] = []
  const bodies: string[] = []
  const imported = { id: 'i', status: 'done', files_total: 1, imported: 1, duplicates: 0, skipped: 0, failed: 0 }
  const to = await pretend(t, (request, response) => {
    const answer = (status: number, body: object, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    if (request.method === 'GET') return answer(200, request.url!.includes('/files') ? { items: [], next_cursor: null } : imported)
    keys.push(request.headers['idempotency-key'])
    let body = ''
    request.setEncoding('latin1').on('data', (text: string) => { body += text }).on('end', () => {
      bodies.push(body)
      if (keys.length === 1) answer(503, { message: 'busy' }, { 'retry-after': '1' })
      else if (keys.length === 2) request.socket.destroy()
      else answer(202, { import: imported })
    })
  })
  const folder = folderOf(t, { 'a/1.fit': FIT, 'b/2.gpx': GPX })
  t.match(await command([folder], { token: 'x', to }), { status: 0, stdout: /^1 imported/m })
  t.equal(new Set(keys).size, 1)
  t.match(keys[0], /^[0-9a-f]{64}$/)
  t.equal(bodies.length, 3)
  t.ok(bodies.every((body) => body === bodies[0]), 'a folder gives the same bytes each time')
  writeFileSync(join(folder, 'a/1.fit'), TCX)
  await command([folder], { token: 'x', to })
  t.not(keys.at(-1), keys[0], 'other contents have another key')
})

t.test('a refusal that comes before all is sent is told', async (t) => {
  const to = await pretend(t, (request, response) => {
    if (request.method === 'GET') return response.end('{}')
    request.resume()
    response.writeHead(413).end(JSON.stringify({ message: 'An import is 1 MiB at the most' }))
  })
  const path = join(folderOf(t, { 'large.zip': Buffer.alloc(8 * 1024 * 1024) }), 'large.zip')
  t.match(await command([path], { token: 'x', to }), { status: 1, stdout: /An import is 1 MiB at the most/ })
})

t.test('stopped while the import goes on, it says how to see the rest', { skip: process.platform === 'win32' }, async (t) => {
  const to = await pretend(t, (request, response) => {
    const running = { id: 'i7', status: 'running', files_total: 9, imported: 1, duplicates: 0, skipped: 0, failed: 0 }
    request.resume().on('end', () => {
      response.writeHead(request.method === 'POST' ? 202 : 200)
        .end(JSON.stringify(request.method === 'POST' ? { import: running } : running))
    })
  })
  const path = join(folderOf(t, { 'run.fit': FIT }), 'run.fit')
  const child = spawnNode([CLI, 'import', path], {
    env: { PATH: process.env.PATH, RUNNING_TRAINER_URL: to, RUNNING_TRAINER_TOKEN: 'x' }
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  const ended = once(child, 'close')
  child.stderr.resume()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (/^Import i7$/m.test(text)) child.kill('SIGINT')
  })
  t.same((await ended)[0], 130)
  t.match(output, /Stopped\.\nThe import goes on without this command.*--resume i7/)
})

t.test('progress is a bar on a terminal, and a line for each tenth elsewhere', async (t) => {
  const shown = (isTTY: boolean) => {
    const texts: string[] = []
    const progress = progressOn({ isTTY, columns: 60, write: (text: string) => texts.push(text) })
    for (let done = 0; done <= 200; done++) progress.show('Sending', done, 200)
    progress.clear()
    return texts
  }
  t.equal(shown(false).length, 11)
  t.equal(shown(false).at(-1), 'Sending: 100 %\n')
  const bar = shown(true)
  t.equal(bar.at(-2), `\r\u001b[KSending [${'#'.repeat(24)}] 100 %`)
  t.equal(bar.at(-1), '\r\u001b[K')
})
