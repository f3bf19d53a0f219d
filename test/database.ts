// Temporary: a throw-away cluster of the system's Postgres 15. Replaced by the embedded one.
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, existsSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import postgres from 'postgres'
import type { Test } from 'tap'

const BIN = '/usr/lib/postgresql/15/bin'
const NOBODY = { uid: 65534, gid: 65534 }

let started: Promise<string> | undefined
let count = 0

/** A database of its own for this test; gone after it. Answers its URL. */
export async function createDatabase (t: Pick<Test, 'teardown'>): Promise<string> {
  started ??= start()
  const base = await started
  const name = `test_${process.pid}_${count++}`
  const admin = postgres(`${base}/postgres`, { max: 1, onnotice () {} })
  await admin.unsafe(`create database ${name}`)
  t.teardown(async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`).catch(() => {})
    await admin.end({ timeout: 1 })
  })
  return `${base}/${name}`
}

async function start (): Promise<string> {
  const folder = mkdtempSync('/tmp/pg-test-')
  chownSync(folder, NOBODY.uid, NOBODY.gid)
  const init = spawnSync(`${BIN}/initdb`, ['-D', `${folder}/data`, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], { ...NOBODY, cwd: folder })
  if (init.status !== 0) throw new Error(String(init.stderr))
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as net.AddressInfo
  probe.close()
  await once(probe, 'close')
  const server = spawn(`${BIN}/postgres`, ['-D', `${folder}/data`, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'max_connections=200'],
    { ...NOBODY, cwd: folder, stdio: 'ignore' })
  server.unref()
  process.once('exit', () => {
    server.kill('SIGKILL')
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  })
  for (let i = 0; i < 100; i++) {
    if (spawnSync(`${BIN}/pg_isready`, ['-h', '127.0.0.1', '-p', String(port)]).status === 0) return `postgres://postgres@127.0.0.1:${port}`
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('Postgres did not start')
}
