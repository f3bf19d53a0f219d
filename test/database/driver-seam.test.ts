import { once } from 'node:events'
import net from 'node:net'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { driverOver } from '../../db/driver/driver-seam.ts'
import { createDatabase } from '../harness/database.ts'
import { bareDriver, rejection, until } from '../harness/open-database.ts'

const url = await createDatabase(t, { migrated: false })
const { hosts, user, password, database } = parseAddress(url)
const admin = bareDriver(t, url, { max: 1 })

const AFTER_UPGRADE = 'see db/driver/driver-seam.ts before another version of postgres.js is pinned'

t.test('the version of postgres.js is pinned, and it is the one that is installed', (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const { version } = JSON.parse(readFileSync('node_modules/postgres/package.json', 'utf8'))
  t.equal(dependencies.postgres, version, AFTER_UPGRADE)
  t.end()
})

async function open (t: { teardown (f: () => void): void }) {
  const [host] = hosts
  const socket = net.connect({ host: host?.host as string, port: host?.port as number })
  await once(socket, 'connect')
  t.teardown(() => { socket.destroy() })
  const given = { host: host?.host as string, port: host?.port as number, user, pass: password, database }
  const driver = driverOver(socket, { ...given, fetch_types: false, connect_timeout: 0 }, () => new Error('it was cut'))
  return { socket, driver }
}

t.test('postgres.js uses the socket it is given, and says on results which backend answered', async (t) => {
  const { driver, socket } = await open(t)
  const rows = await driver.unsafe('select pg_backend_pid() as pid')
  t.equal(rows.state.pid, rows[0]?.['pid'], `result.state is the backend’s key: ${AFTER_UPGRADE}`)
  t.type((rows.state as { secret?: unknown }).secret, 'number')
  t.ok(socket.bytesRead > 0)
})

t.test('postgres.js prepares a statement once, and says on results which it was', async (t) => {
  const { driver } = await open(t)
  const ask = () => driver.unsafe('select $1::int as i', ['1'], { prepare: true })
  const [first, second] = [await ask(), await ask()]
  t.ok(first.statement !== undefined && first.statement === second.statement, `result.statement: ${AFTER_UPGRADE}`)
  t.match(await driver.unsafe('select count(*)::int as count from pg_prepared_statements'), [{ count: 1 }])
  await driver.unsafe('deallocate all')
  const third = await ask()
  t.not(third.statement, first.statement, `a statement that was prepared anew is another object: ${AFTER_UPGRADE}`)
})

t.test('postgres.js asks for its socket again when that was lost, and fails the query when it gets none', async (t) => {
  const { driver, socket } = await open(t)
  const [row] = await driver.unsafe('select pg_backend_pid() as pid')
  await admin`select pg_terminate_backend(${row?.['pid']}, 5000)`
  await until(() => socket.destroyed)
  const error = await rejection(driver.unsafe('select 1'))
  t.equal(error.message, 'it was cut', `nothing is run on another connection: ${AFTER_UPGRADE}`)
})

t.test('postgres.js sends statements of one turn in one write, each answered by its own result', async (t) => {
  const { driver, socket } = await open(t)
  const ask = (i: number) => driver.unsafe('select $1::int as i', [String(i)], { prepare: true })
  await ask(0)
  let writes = 0
  const write = socket.write
  socket.write = function (this: net.Socket, ...args: never[]) {
    writes++
    return (write as (...args: never[]) => boolean).apply(this, args)
  } as typeof socket.write
  const results = await Promise.all([1, 2, 3, 4].map(ask))
  t.strictSame(results.map(([row]) => row?.['i']), [1, 2, 3, 4])
  t.equal(writes, 1, `write batching of the driver: ${AFTER_UPGRADE}`)
})
