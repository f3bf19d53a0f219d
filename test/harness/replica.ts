import { execFileSync } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startEmbedded, type Embedded } from '../../db/embedded/start.ts'
import { listener } from './listener.ts'
import { type Ending } from './service.ts'

export interface Server {
  embedded: Embedded
  port: number
  dataDir: string
  /** A superuser's connection. */
  admin: postgres.Sql
}

const FAST = { fsync: 'off', shared_buffers: '32MB' }
/** What a server needs that others follow, and that is followed up to a moment. */
const FOLLOWED = { wal_level: 'replica', max_wal_senders: '4', hot_standby: 'on' }

/** Starts a server on a new folder, or on one that `baseBackup` has made; stopped, and removed, when the test ends. */
export async function startServer (
  t: Ending,
  { dataDir = newFolder(t), settings = {} }: { dataDir?: string, settings?: Record<string, string> } = {}
): Promise<Server> {
  const embedded = await startEmbedded({
    dataDir,
    log: listener().log,
    settings: { ...FAST, ...FOLLOWED, ...settings },
    patienceMs: 0
  })
  t.teardown(() => embedded.stop())
  const admin = postgres(embedded.url, { max: 2, fetch_types: false, onnotice: () => {}, backoff: () => 0.1 })
  t.teardown(() => admin.end({ timeout: 0 }))
  return { embedded, port: Number(new URL(embedded.url).port), dataDir, admin }
}

function newFolder (t: Ending): string {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-server-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  return folder
}

/**
 * A copy of a running server's files, as `pg_basebackup` makes one, of which another server can be started; the
 * npm package of the binaries has no `pg_basebackup`. Answers its folder.
 */
export async function baseBackup (t: Ending, { dataDir, embedded }: Server): Promise<string> {
  const folder = newFolder(t)
  mkdirSync(join(folder, 'postgres'), { mode: 0o700 })
  const session = postgres(embedded.url, { max: 1, fetch_types: false })
  await session`select pg_backup_start('copy', true)`
  const [from, to] = [join(dataDir, 'postgres', 'cluster'), join(folder, 'postgres', 'cluster')]
  // `cp` keeps the owner; files may come and go while it copies, which the log of the server makes good.
  execFileSync('sh', ['-c', 'cp -a "$0" "$1" 2>/dev/null; rm -f "$1/postmaster.pid" "$1/postmaster.opts"', from, to])
  const [row] = await session<Array<{ labelfile: string }>>`select labelfile from pg_backup_stop(false)`
  await session.end({ timeout: 1 })
  cpSync(join(dataDir, 'postgres', 'password'), join(folder, 'postgres', 'password'))
  put(to, 'backup_label', row?.labelfile as string)
  return folder
}

/** Writes a file into a cluster, for the user that owns the cluster. */
export function put (cluster: string, name: string, text: string): void {
  writeFileSync(join(cluster, name), text)
  const { uid, gid } = statSync(cluster)
  if (process.getuid?.() === 0) chownSync(join(cluster, name), uid, gid)
}

/** Starts a standby that follows the primary, over `port` where something stands in between. */
export async function startStandby (t: Ending, primary: Server, port = primary.port): Promise<Server> {
  const dataDir = await baseBackup(t, primary)
  put(join(dataDir, 'postgres', 'cluster'), 'standby.signal', '')
  const { username, password } = new URL(primary.embedded.url)
  return await startServer(t, {
    dataDir,
    settings: {
      primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=standby`
    }
  })
}
