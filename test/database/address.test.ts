import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { createHmac, pbkdf2Sync, createHash } from 'node:crypto'
import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { connectDirectly } from '../../db/driver/direct.ts'
import { passwordFor } from '../../db/driver/password.ts'
import { saslprep } from '../../db/driver/saslprep.ts'
import { failureOf } from '../../db/failure.ts'
import { inspectDatabase } from '../../db/inspect.ts'
import { migrate } from '../../db/migrate.ts'
import { DATABASE_PARAMETERS } from '../../src/config/database-parameters.ts'
import { readDatabaseUrl } from '../../src/config/database-url.ts'
import fc from '../harness/fast-check.ts'
import postgres from 'postgres'
import { createDatabase } from '../harness/database.ts'
import { listener } from '../harness/listener.ts'
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
    servers: { role: 'read-write' }
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

/** What is wrong with a URL of these parameters; undefined where it is accepted. */
function problemOf (query: string): string | undefined {
  const read = readDatabaseUrl(`postgres://ann:s3cret@a/b?${query}`)
  return 'problem' in read ? read.problem : undefined
}

t.test('a parameter that is not known is refused by name, and what was probably meant is suggested', async (t) => {
  const cases: Array<[query: string, problem: RegExp]> = [
    ['sslmod=require', /not known, sslmod; did you mean sslmode\?/],
    ['SSLMODE=require', /not known, SSLMODE; did you mean sslmode\?/],
    ['aplication_name=x', /did you mean application_name\?/],
    ['schema=public', /not known, schema$/],
    ['pgbouncer=true', /not known, pgbouncer$/],
    ['constructor=x', /not known, constructor$/],
    ['a%40b=x', /not known$/],
    ['ssl=1', /has ssl .*sslmode/],
    ['ssl=no-verify', /has ssl /],
    ['ssl=false', /has ssl /],
    ['sslmode', /name=value/],
    ['sslmode=require=x', /name=value/],
    ['sslmode=%zz', /encodes nothing/],
    ['options=%00', /encodes nothing/],
    ['sslmode=require&sslmode=disable', /twice/],
    ['ssl=true&sslmode=prefer', /does not insist/],
    ['sslrootcert=system&sslmode=require', /weaker than verify-full/],
    ['sslrootcert=root.pem', /no sslmode.*verify-full/],
    ['sslcert=client.pem', /no sslmode/],
    ['channel_binding=require', /has channel_binding .*disable or prefer only/],
    ['gssencmode=require', /has gssencmode /],
    ['sslnegotiation=direct', /postgres only/],
    ['target_session_attrs=standby', /any, read-write or primary only/],
    ['client_encoding=LATIN1', /utf8/],
    ['replication=database', /has replication /],
    ['hostaddr=10.0.0.1', /does not support it; name the address as the host/],
    ['service=runs', /files are not read/],
    ['require_auth=scram-sha-256', /has require_auth /],
    ['connect_timeout=soon', /whole number/],
    ['keepalives=0', /has keepalives /]
  ]
  for (const [query, problem] of cases) {
    const found = problemOf(query)
    t.match(found, problem, query)
    t.throws(() => parseAddress(`postgres://ann:s3cret@a/b?${query}`), TypeError, query)
  }
  for (const name of Object.keys(DATABASE_PARAMETERS)) {
    t.notMatch(problemOf(`${name}=hunter22`) ?? '', /hunter22|s3cret/, `a problem with ${name} does not repeat the value`)
  }
})

t.test('parameters of libpq that ask for nothing unusual are accepted, and those that can be are honoured', async (t) => {
  for (const query of [
    'sslmode=verify-full&sslrootcert=system&channel_binding=prefer&gssencmode=disable&sslnegotiation=postgres',
    'connect_timeout=10&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=0',
    'client_encoding=UTF8&application_name=runs&target_session_attrs=any&load_balance_hosts=disable&replication=false',
    'ssl=true&sslmode=verify-full'
  ]) t.equal(problemOf(query), undefined, query)
  const address = (query: string) => parseAddress(`postgres://ann:s3cret@a/b?${query}`)
  t.equal(address('ssl=true').sslMode, 'require')
  t.equal(address('ssl=true&sslmode=verify-full').sslMode, 'verify-full')
  t.match(address('sslrootcert=system'), { sslMode: 'verify-full', tls: { rejectUnauthorized: true } })
  t.match(address('connect_timeout=7'), { connectTimeoutMs: 7000 })
  t.match(address('connect_timeout=0'), { connectTimeoutMs: undefined })
  t.match(address('sslmode=require&ssl_min_protocol_version=TLSv1.3'), { tls: { minVersion: 'TLSv1.3' } })
  t.match(address('fallback_application_name=x'), { parameters: { application_name: 'x' } })
  t.match(address('user=bob&password=a+b&dbname=c&host=d,e&port=7'), {
    user: 'bob',
    password: 'a+b',
    database: 'c',
    hosts: [{ host: 'd', port: 7 }, { host: 'e', port: 7 }]
  }, 'a parameter overrides what stands before it, and a plus sign is one')
  t.match(parseAddress('postgres:///b?host=a,c&port=1,2'), { hosts: [{ host: 'a', port: 1 }, { host: 'c', port: 2 }] })
  t.throws(() => parseAddress('postgres:///b?host=a,c&port=1,2,3'), TypeError)
})

t.test('the document lists the parameters that the table has', async (t) => {
  const text = readFileSync('docs/CONFIGURATION.md', 'utf8')
  const section = text.slice(text.indexOf('### Parameters of a database URL'))
  const listed = [...section.slice(0, section.search(/\n##? /)).matchAll(/^\| (`.*?) \|/gm)]
    .flatMap(([, cell]) => [...cell!.matchAll(/`([a-z_]+)(?:=[^`]*)?`/g)].map(([, name]) => name))
  t.same([...new Set(listed)].sort(), Object.keys(DATABASE_PARAMETERS).sort())
})

/** Whether the server's verifier of a password is that of this text. */
function verifies (verifier: string, text: string): boolean {
  const [, iterations, salt, stored] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(verifier) as unknown as string[]
  const salted = pbkdf2Sync(text, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  return createHash('sha256').update(clientKey).digest('base64') === stored
}

t.test('a password is prepared as the server prepares it', async (t) => {
  const url = await createDatabase(t)
  const admin = postgres(url, { max: 1, onnotice () {} })
  const role = `prep_${process.pid}`
  await admin.unsafe(`create role ${role} login`)
  t.teardown(async () => {
    await admin.unsafe(`drop role ${role}`)
    await admin.end({ timeout: 1 })
  })
  const verifierOf = async (password: string) => {
    await admin.unsafe(`alter role ${role} password '${password.replaceAll("'", "''")}'`)
    const [row] = await admin`select rolpassword from pg_authid where rolname = ${role}`
    return row!.rolpassword as string
  }

  const told: Array<[what: string, password: string, prepared: string]> = [
    ['a no-break space', 'pass\u00a0word', 'pass word'],
    ['a zero-width space, which is both a space and nothing', 'pass\u200bword', 'pass word'],
    ['a ligature', 'e\ufb03cient', 'efficient'],
    ['a decomposed accent', 'Zu\u0308rich', 'Z\u00fcrich'],
    ['a soft hyphen', 'mara\u00adthon', 'marathon'],
    ['a full-width letter', '\uff21bc', 'Abc'],
    ['an emoji, which Unicode 3.2 does not have, so nothing is changed', '\u{1f3c3}\ufb01t', '\u{1f3c3}\ufb01t'],
    ['a control character', 'tab\u0085\ufb01', 'tab\u0085\ufb01'],
    ['both directions', '\u0627a\u00a0', '\u0627a\u00a0'],
    ['from right to left', '\u0627\u00a0\u0628', '\u0627 \u0628'],
    ['nothing else', '\u00ad', '\u00ad']
  ]
  for (const [what, password, prepared] of told) {
    t.equal(saslprep(password), prepared, what)
    t.ok(verifies(await verifierOf(password), prepared), `${what}: on the server too`)
  }
  const blocks = [[0x20, 0x24f], [0x300, 0x36f], [0x590, 0x6ff], [0x2000, 0x206f], [0xfb00, 0xfeff], [0x21, 0x1ffff]]
  const character = fc.constantFrom(...blocks)
    .chain(([from, to]) => fc.integer({ min: from!, max: to! }))
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
  await fc.assert(fc.asyncProperty(fc.array(character, { minLength: 1, maxLength: 6 }), async (characters) => {
    const password = characters.join('')
    return verifies(await verifierOf(password), saslprep(password))
  }), { numRuns: 300 })
})

t.test('SCRAM gets the prepared password and other methods the password as it is, as with libpq', async (t) => {
  const url = await createDatabase(t)
  const admin = postgres(url, { max: 1, onnotice () {} })
  const role = `scram_${process.pid}`
  const password = 'na\u00efve\u00a0e\ufb03cient\u00ad run'
  await admin.unsafe(`create role ${role} login password '${password}'`)
  t.teardown(async () => {
    await admin.unsafe(`drop role ${role}`)
    await admin.end({ timeout: 1 })
  })
  const as = new URL(url)
  as.username = role
  as.password = encodeURIComponent(password)
  t.match(await rejection(bareDriver(t, as.href, { max: 1 })`select 1`), { code: '28P01' }, 'the bare driver is refused')
  t.match(await openDatabase(t, as.href).sql`select current_user::text as role`, [{ role }])
  t.match(await inspectDatabase(as.href, { timeoutMs: 5000 }), { reachable: true })

  const asked = (method: number) => {
    const socket = new net.Socket()
    const given = passwordFor(socket, parseAddress(as.href))
    const message = Buffer.alloc(9, 'R')
    message.writeInt32BE(method, 5)
    socket.emit('data', message)
    return typeof given === 'string' ? given : given()
  }
  t.equal(asked(10), 'na\u00efve efficient run')
  t.equal(asked(5), password, 'md5')
  t.equal(asked(3), password, 'in the clear')
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
    const direct = async (query: string, host?: string) => {
      const sql = await connectDirectly(parseAddress(at(query, host)), 5000, {})
      t.teardown(() => sql.end({ timeout: 1 }))
      return [...await sql`select 1 as one`]
    }
    const verified = `sslmode=verify-full&sslrootcert=${front.certificate}`
    t.match(await direct(verified), [{ one: 1 }], 'a direct connection, past the pool, too')
    t.match(await rejection(direct(verified, '127.0.0.1')), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    t.match(failureOf(await rejection(direct(verified, '127.0.0.1')), url).reason, /certificate .* another host name/)
    t.match(await rejection(direct('sslmode=verify-full')), { code: /SELF_SIGNED/ })
    t.match(
      await rejection(direct(`sslmode=require&sslrootcert=${front.certificate}`.replace('cert.pem', 'other.pem'))),
      { code: /SELF_SIGNED/ },
      'with a root certificate, require checks who signed, as in libpq'
    )

    await t.test('deadlines end a statement over it too', async (t) => {
      const { sql } = openDatabase(t, at('sslmode=require'), { queryTimeoutMs: 200 })
      t.match(await rejection(sql`select pg_sleep(20)`), { kind: 'query_timeout', cause: { code: '57014' } })
    })

    front.offers = false
    t.notOk(await encrypted('sslmode=prefer'))
    t.equal(await refused('sslmode=require'), 'unreachable', 'rather none than an open one')
    const reason = 'the database does not offer TLS, which sslmode requires'
    t.equal(failureOf(await rejection(openDatabase(t, at('ssl=true')).sql`select 1`), url).reason, reason)
    t.equal(failureOf(await rejection(direct('sslmode=require')), url).reason, reason)
    t.match(await inspectDatabase(at('sslmode=require'), { timeoutMs: 5000 }), {
      reachable: false,
      reason,
      remedy: /Turn ssl on/
    })
    const { log } = listener()
    t.equal(failureOf(await rejection(migrate(at('sslmode=require'), { log })), url).reason, reason)
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
  spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=other', '-keyout', `${folder}/other-key.pem`, '-out', `${folder}/other.pem`]
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
