import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { driverAddress, parseAddress } from '../../db/driver/address.ts'
import { createDatabase } from '../harness/database.ts'
import { bareDriver, kindOf, openDatabase, rejection } from '../harness/open-database.ts'

t.test('a database URL is read as libpq reads it', async (t) => {
  const check = (url: string, expected: object) => t.match(parseAddress(url), expected, url)
  check('postgres://ann:s%40cret@db.example:6432/runs', {
    hosts: [{ host: 'db.example', port: 6432 }],
    user: 'ann',
    password: 's@cret',
    database: 'runs',
    sslMode: 'disable'
  })
  check('postgresql://ann@localhost', { hosts: [{ host: 'localhost', port: 5432 }], password: '', database: 'ann' })
  check('postgres://ann@[::1]:6432/runs', { hosts: [{ host: '::1', port: 6432 }] })
  check('postgres://ann@a:1,b,[::2]:3/runs?target_session_attrs=read-write', {
    hosts: [
      { host: 'a', port: 1 },
      { host: 'b', port: 5432 },
      { host: '::2', port: 3 }
    ],
    primaryOnly: true
  })
  check('postgres:///runs?host=/run/postgresql&user=ann&password=x%26y', {
    hosts: [{ host: '/run/postgresql', port: 5432 }],
    user: 'ann',
    password: 'x&y',
    database: 'runs'
  })
  check('postgres://%2Frun%2Fpostgresql/runs', { hosts: [{ host: '/run/postgresql' }] })
  check('postgres://a/b?sslmode=require', { sslMode: 'require', tls: { rejectUnauthorized: false } })
  check('postgres://a/b?sslmode=verify-ca', {
    sslMode: 'verify-ca',
    tls: { rejectUnauthorized: true, checkServerIdentity: Function }
  })
  check('postgres://a/b?sslmode=verify-full&sslrootcert=system', {
    sslMode: 'verify-full',
    tls: { rejectUnauthorized: true, checkServerIdentity: undefined }
  })
  check('postgres://a/b?application_name=x&options=-c%20search_path%3Dy&channel_binding=prefer', {
    parameters: { application_name: 'x', options: '-c search_path=y' }
  })
  for (const wrong of [
    'mysql://ann:s3cret@a/b',
    's3cret',
    'postgres://ann:s3cret@a:0/b',
    'postgres://ann:s3cret@a:x/b',
    'postgres://ann:s3cret@a/b?sslmode=on'
  ]) {
    const error = await rejection((async () => parseAddress(wrong))())
    t.ok(error instanceof TypeError, wrong)
    t.notMatch(error.message, /s3cret/)
  }
})

const OPENSSL = spawnSync('openssl', ['version']).status === 0

t.test(
  'a connection is as safe as sslmode says',
  { skip: !OPENSSL && 'openssl is not installed: SKIPPED' },
  async (t) => {
    const url = await createDatabase(t)
    const front = await startTlsFront(t, parseAddress(url).hosts[0]?.port as number)
    const at = (query: string, host = 'localhost') => `${url.replace(/@[^/]+/, `@${host}:${front.port}`)}?${query}`
    const encrypted = async (query: string, host?: string) => {
      const before = front.encrypted
      const { sql } = openDatabase(t, at(query, host), { poolSize: 1 })
      await sql`select 1`
      return front.encrypted > before
    }

    await t.test(
      'the bare driver does not read the root certificate it is given, and takes one for localhost as that of any address',
      async (t) => {
        t.match(
          await rejection(
            bareDriver(t, at(`sslmode=verify-full&sslrootcert=${front.certificate}`), { max: 1 })`select 1`
          ),
          { code: /SELF_SIGNED/ }
        )
        const ca = readFileSync(front.certificate)
        t.match(
          await bareDriver(t, at('', '127.0.0.1'), { max: 1, ssl: { rejectUnauthorized: true, ca } })`select 1 as one`,
          [{ one: 1 }]
        )
      }
    )

    t.ok(await encrypted('sslmode=require'))
    t.ok(await encrypted('sslmode=prefer'))
    t.ok(await encrypted(`sslmode=verify-full&sslrootcert=${front.certificate}`))
    t.ok(
      await encrypted(`sslmode=verify-ca&sslrootcert=${front.certificate}`, '127.0.0.1'),
      'verify-ca asks for no name'
    )
    t.notOk(await encrypted('sslmode=disable'))
    const refused = (query: string, host?: string) => kindOf(openDatabase(t, at(query, host)).sql`select 1`)
    t.equal(await refused('sslmode=verify-full'), 'unreachable', 'nobody vouches for it')
    t.equal(
      await refused(`sslmode=verify-full&sslrootcert=${front.certificate}`, '127.0.0.1'),
      'unreachable',
      'it has another name'
    )
    const asDriver = (host: string) =>
      bareDriver(t, '', {
        ...driverAddress(parseAddress(at(`sslmode=verify-full&sslrootcert=${front.certificate}`, host))),
        max: 1
      })
    t.match(
      await asDriver('localhost')`select 1 as one`,
      [{ one: 1 }],
      'also for connections that the driver makes itself'
    )
    t.match(await rejection(asDriver('127.0.0.1')`select 1`), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })

    await t.test('deadlines end a statement over it too', async (t) => {
      const { sql } = openDatabase(t, at('sslmode=require'), { queryTimeoutMs: 200 })
      t.match(await rejection(sql`select pg_sleep(20)`), { kind: 'query_timeout', cause: { code: '57014' } })
    })

    front.offers = false
    t.notOk(await encrypted('sslmode=prefer'))
    t.equal(await refused('sslmode=require'), 'unreachable', 'rather none than an open one')
  }
)

/** Does the TLS that the test's server is not set up for, and forwards what is inside. */
async function startTlsFront (t: { teardown (f: () => void): void }, target: number) {
  const folder = mkdtempSync('/tmp/tls-')
  const certificate = `${folder}/cert.pem`
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    `${folder}/key.pem`,
    '-out',
    certificate
  ])
  const secureContext = tls.createSecureContext({
    key: readFileSync(`${folder}/key.pem`),
    cert: readFileSync(certificate)
  })
  const front = { port: 0, certificate, encrypted: 0, offers: true }
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (first) => {
      const wantsTls = first.length === 8 && first.readInt32BE(4) === 80877103
      if (wantsTls && front.offers) {
        front.encrypted++
        socket.write('S')
        const inner = new tls.TLSSocket(socket, { isServer: true, secureContext })
        inner.on('error', () => {})
        return forward(inner)
      }
      if (wantsTls) socket.write('N')
      forward(socket, wantsTls ? undefined : first)
    })
  })
  function forward (client: net.Socket, first?: Buffer): void {
    const upstream = net.connect(target, '127.0.0.1')
    if (first !== undefined) upstream.write(first)
    client.pipe(upstream).pipe(client)
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
  }
  server.listen(0)
  await once(server, 'listening')
  front.port = (server.address() as net.AddressInfo).port
  t.teardown(() => { server.close(); rmSync(folder, { recursive: true, force: true }) })
  return front
}
