import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from './live-service.ts'

/** The major version of the first `pg_dump` in PATH, or undefined. */
export function dumpVersion (): string | undefined {
  return /\) (\d+)/.exec(spawnSync('pg_dump', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
}

const folderOf = (version: string | undefined) => `/usr/lib/postgresql/${version}/bin`

/**
 * Why there is no server of the same version as `pg_dump`, or false if there is: `pg_dump` cannot dump a newer one.
 */
export function noPostgres (): string | false {
  const version = dumpVersion()
  if (version === undefined) return 'pg_dump is not installed: apt-get install postgresql'
  return existsSync(join(folderOf(version), 'initdb'))
    ? false
    : `there is no server of PostgreSQL ${version} to dump: apt-get install postgresql-${version}`
}

export interface SystemPostgres { url: (database: string) => string, stop: () => Promise<void> }

/** Starts a server from the system's packages in an empty directory, as `nobody` if this process is root. */
export async function startSystemPostgres (): Promise<SystemPostgres> {
  const bin = folderOf(dumpVersion())
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const isRoot = process.getuid?.() === 0
  const as = isRoot ? { uid: 65534, gid: 65534 } : {}
  if (isRoot) chownSync(folder, 65534, 65534)
  const made = spawnSync(
    join(bin, 'initdb'),
    ['--pgdata', `${folder}/data`, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-sync'],
    { ...as, cwd: folder, encoding: 'utf8' }
  )
  if (made.status !== 0) throw new Error(made.stderr)
  const port = await freePort()
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', `${folder}/data`, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
    { ...as, cwd: folder, stdio: 'ignore' }
  )
  const exited = new Promise<void>((resolve) => { child.once('exit', () => resolve()) })
  await until(
    'Postgres accepts connections',
    20_000,
    async () => spawnSync(join(bin, 'pg_isready'), ['--host=127.0.0.1', `--port=${port}`]).status === 0 || undefined
  )
  return {
    url: (database) => `postgresql://postgres@127.0.0.1:${port}/${database}`,
    stop: async () => {
      // Fast shutdown: open connections are closed.
      child.kill('SIGINT')
      await exited
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
