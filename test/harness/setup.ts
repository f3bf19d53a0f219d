// The Postgres that all tests of a run share.
//   node dist/test/harness/setup.js keep   keeps it running until no test needs it; started by database.ts
//   node dist/test/harness/setup.js        run by tap at the end of a run: waits until it has stopped
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, closeSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { FolderInUse, startEmbedded, type DatabaseLog, type Embedded } from '../../db/embedded/start.ts'
import { startOf } from '../../db/embedded/identity.ts'

const OWN_FILE = fileURLToPath(import.meta.url)
/** In tap's own directory: never committed, and the next run reuses the cluster. */
const PLACE = fileURLToPath(new URL('../../../.tap/database/', import.meta.url))
const STATE = join(PLACE, 'keeper.json')
/** The time that a keeper waits for the process that started it. */
const FIRST_MS = 15_000
/** The interval at which it checks whether its runs still exist. */
const LOOK_MS = 200

interface State { port: number, url: string }

/**
 * Connects to the keeper in the state file; null if there is none. A connection means that Postgres is needed.
 */
async function joinKeeper (): Promise<{ socket: Socket, url: string } | null> {
  let state: State
  try {
    state = JSON.parse(readFileSync(STATE, 'utf8')) as State
  } catch {
    return null
  }
  const socket = connect(state.port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    // Another process may use the port by now: a keeper sends a greeting.
    const [greeting] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) }) as [Buffer]
    if (greeting.toString() !== `${state.url}\n`) throw new Error('not a keeper')
    return { socket, url: state.url }
  } catch {
    socket.destroy()
    return null
  }
}

/** Starts a keeper, and resolves when it is ready or another one was faster. Throws the reason if it cannot start. */
async function startKeeper (): Promise<void> {
  mkdirSync(PLACE, { recursive: true, mode: 0o700 })
  const output = openSync(join(PLACE, 'keeper.log'), 'a', 0o600)
  // The options of the test runner are for its own children.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|_TAPJS_.*|TAP.*)$/.test(name))
  )
  const child = spawn(process.execPath, [OWN_FILE, 'keep'], {
    cwd: PLACE,
    env,
    detached: true,
    stdio: ['ignore', output, output, 'ipc']
  })
  closeSync(output)
  let problem: string | undefined
  child.on('message', (message: { problem?: string }) => {
    problem = message.problem
    child.disconnect()
  })
  await Promise.race([once(child, 'exit'), once(child, 'disconnect')])
  child.unref()
  if (problem !== undefined) throw new Error(problem)
}

/**
 * The superuser's URL of the shared Postgres, which is started if necessary. It runs for as long as this process lives.
 */
export async function sharedPostgres (): Promise<string> {
  const deadline = performance.now() + 90_000
  for (;;) {
    const joined = await joinKeeper()
    if (joined !== null) {
      // Under tap it is kept for the whole run, not only until the next file.
      if (process.env['TAP'] === '1') joined.socket.write(`run ${process.ppid}\n`)
      joined.socket.on('error', () => {}).unref()
      return joined.url
    }
    if (performance.now() > deadline) { throw new Error(`The shared Postgres of the tests did not start: see ${PLACE}keeper.log`) }
    await startKeeper()
  }
}

/** Reports the end of the parent's run, and waits until Postgres has stopped, unless another run needs it. */
async function release (): Promise<void> {
  const joined = await joinKeeper()
  if (joined === null) return
  joined.socket.on('error', () => {}).write(`over ${process.ppid}\n`)
  const kept = once(joined.socket, 'data')
  await Promise.race([kept, once(joined.socket, 'close')])
  joined.socket.destroy()
}

const log = Object.fromEntries(
  ['debug', 'info', 'warning', 'error'].map((level) => [
    level,
    (message: string, fields = {}) => {
      console.log(new Date().toISOString(), level, message, fields)
    }
  ])
) as unknown as DatabaseLog

async function startFresh (): Promise<Embedded> {
  const options = {
    dataDir: PLACE,
    log,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
  }
  try {
    return await startEmbedded(options)
  } catch (error) {
    if (error instanceof FolderInUse) throw error
    // It runs without fsync, so a crash of the machine may have corrupted it; its content is disposable.
    log.warning('begins anew', { error })
    rmSync(join(PLACE, 'postgres', 'cluster'), { recursive: true, force: true })
    return await startEmbedded(options)
  }
}

/** Drops the databases of killed tests. */
async function sweep (url: string): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  const left = await sql<Array<{ datname: string }>>`select datname from pg_database where datname like ${'test\\_%'}`
  for (const { datname } of left) await sql`drop database if exists ${sql(datname)} with (force)`
  await sql.end({ timeout: 5 })
}

/** Keeps Postgres running until no process is connected and every known run is over. */
async function keep (): Promise<void> {
  const embedded = await startFresh()
  await sweep(embedded.url)
  const runs = new Map<number, string | null>()
  const sockets = new Set<Socket>()
  let nobodyIsLeft = () => {}
  const idle = new Promise<void>((resolve) => { nobodyIsLeft = resolve })
  const look = () => {
    for (const [pid, started] of runs) if (started === null || startOf(pid) !== started) runs.delete(pid)
    if (runs.size === 0 && sockets.size === 0) nobodyIsLeft()
  }
  const server = createServer((socket) => {
    let isReleasing = false
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => { if (sockets.delete(socket)) look() })
    socket.on('data', (data) => {
      for (const [, verb, pid] of data.toString().matchAll(/(run|over) (\d+)\n/g)) {
        if (verb === 'run') runs.set(Number(pid), startOf(Number(pid)))
        else isReleasing = runs.delete(Number(pid)) || true
      }
      if (!isReleasing) return
      sockets.delete(socket)
      look()
      if (runs.size > 0 || sockets.size > 0) socket.end('kept\n')
    })
    socket.write(`${embedded.url}\n`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  writeFileSync(`${STATE}.new`, JSON.stringify({ port, url: embedded.url } satisfies State), { mode: 0o600 })
  renameSync(`${STATE}.new`, STATE)
  process.send?.({})
  await Promise.race([once(server, 'connection'), new Promise((resolve) => setTimeout(resolve, FIRST_MS))])
  setInterval(look, LOOK_MS)
  look()
  await idle
  rmSync(STATE, { force: true })
  await embedded.stop()
  // The sockets that are still open wait for this end.
  process.exit(0)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === OWN_FILE) {
  if (process.argv[2] === 'keep') {
    for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
    keep().catch((error: unknown) => {
      log.error('no Postgres for the tests', { error })
      const problem = error instanceof FolderInUse ? undefined : error instanceof Error ? error.message : String(error)
      if (process.send === undefined) process.exit(1)
      else process.send({ problem }, () => process.exit(1))
    })
  } else {
    await release()
  }
}
