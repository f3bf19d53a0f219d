import { setTimeout } from 'node:timers/promises'
import fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import revocations from '../../plugins/revocations.ts'
import { userSubject } from '../../src/auth/revocations.ts'

type Reading = () => Promise<Array<Record<string, unknown>>>

const SUBJECT = userSubject('somebody')
const EMPTY = [{ read_at: '2026-01-05T07:00:00.000Z', subject: null }]

/** The plugin over a database that answers its readings one by one, each as told, and repeats the last. */
async function polling (
  t: { teardown(end: () => unknown): unknown },
  readings: Reading[],
  options: { intervalMs?: number; staleMs?: number } = {}
) {
  const app = fastify()
  const lines: string[] = []
  const seen: Array<{ since: unknown; done: Promise<unknown> }> = []
  const waiting: Array<() => void> = []
  const sql = async (_strings: TemplateStringsArray, since: unknown) => {
    const answer = (readings.length > 1 ? readings.shift() : readings[0]) as Reading
    const done = answer()
    seen.push({ since, done })
    for (const wake of waiting.splice(0)) wake()
    return await done
  }
  const log = (level: string) => (message: string) => {
    lines.push(`${level} ${message}`)
  }
  const state = { state: 'ready' }
  await app.register(
    fp(
      async (app) => {
        app.decorate('logger', { warning: log('WARNING'), info: log('INFO') } as never)
      },
      { name: 'logging' }
    )
  )
  await app.register(
    fp(
      async (app) => {
        app.decorate('availability', state as never)
      },
      { name: 'availability' }
    )
  )
  await app.register(revocations, { ...options, sql: sql as never })
  await app.ready()
  // The plugin's timer keeps no process alive; a test that waits for it must.
  const awake = setInterval(() => {}, 1000)
  t.teardown(async () => {
    clearInterval(awake)
    await app.close()
  })
  /** When so many readings have been asked for. */
  const read = async (count: number) => {
    while (seen.length < count) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
      })
    }
  }
  return { app, lines, seen, state, read }
}

/** So many turns of a timer as short as the plugin's. */
async function turns (count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setTimeout(1)
}

t.test('the list is read periodically; an outage is logged once, and once more when it ends', async (t) => {
  const down = async () => { throw new Error('no database') }
  const { lines, read, app } = await polling(t, [async () => EMPTY, down, down, down, async () => EMPTY], {
    intervalMs: 2
  })
  await read(7)
  t.same(lines, [
    'WARNING revoked sessions cannot be read; requests will wait for them',
    'INFO revoked sessions can be read again'
  ])
  t.equal(app.revocations.isFresh, true)
})

t.test('each read asks for the revocations since the last successful one', async (t) => {
  const later = [{ read_at: '2026-01-05T07:00:10.000Z', subject: SUBJECT, issued_until: null, lives_ms: 60_000 }]
  const { app, seen } = await polling(
    t,
    [
      async () => EMPTY,
      async () => {
        throw new Error('no database')
      },
      async () => later
    ],
    { intervalMs: 1e6 }
  )
  t.equal(app.revocations.isFresh, false, 'before the first reading nothing is known')
  await app.revocations.poll()
  await t.rejects(app.revocations.poll())
  await app.revocations.poll()
  await app.revocations.poll()
  t.same(seen.map(({ since }) => since), [null, EMPTY[0]?.read_at, EMPTY[0]?.read_at, later[0]?.read_at])
  const token = { userId: 'somebody', issuedAtMs: Date.now(), expiresAtMs: Date.now() + 1000, subjects: [SUBJECT] }
  t.equal(app.revocations.known.refuses(token), true)
  t.equal(app.revocations.known.refuses({ ...token, subjects: [userSubject('else')] }), false)
})

t.test('concurrent calls share one read', async (t) => {
  const { app, seen } = await polling(t, [async () => EMPTY], { intervalMs: 1e6 })
  await Promise.all(Array.from({ length: 100 }, async () => await app.revocations.poll()))
  t.equal(seen.length, 1)
})

t.test('nothing is read while the service starts, or after it has closed', async (t) => {
  const { app, seen, state, read } = await polling(t, [async () => EMPTY], { intervalMs: 1 })
  await read(1)
  state.state = 'starting'
  const asked = seen.length
  await turns(10)
  t.equal(seen.length, asked)
  state.state = 'ready'
  await read(asked + 1)
  await app.close()
  const closed = seen.length
  await turns(10)
  t.equal(seen.length, closed)
})
