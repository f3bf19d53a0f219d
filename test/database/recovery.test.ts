import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '../../db/migrate.ts'
import { listener } from '../harness/listener.ts'
import { until } from '../harness/open-database.ts'
import { baseBackup, put, startServer } from '../harness/replica.ts'
import { inject, PASSWORD, startService } from '../harness/service.ts'

t.setTimeout(480_000)

const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' }

/** Bytes of all files in a folder and below. */
function sizeOf (folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

t.test('a base backup and the archived log are restored to a moment, with everything before it and nothing after', async (t) => {
  const archive = mkdtempSync(join(tmpdir(), 'running-trainer-archive-'))
  t.teardown(() => rmSync(archive, { recursive: true, force: true }))
  // Postgres may run as another user than this process.
  chmodSync(archive, 0o777)
  const live = await startServer(t, {
    settings: { archive_mode: 'on', archive_command: `cp %p ${archive}/%f` }
  })
  await migrate(live.embedded.url, { log: listener().log })
  const before = await startService(t, { env: { DATABASE_URL: live.embedded.url } })
  const ann = await before.runner('ann@example.org')
  t.equal((await ann.call('POST', '/plans', { ...PLAN, name: 'before the backup' })).status, 201)

  const began = performance.now()
  const dataDir = await baseBackup(t, live)
  const tookMs = performance.now() - began
  t.comment(`base backup: ${Math.round(tookMs)} ms, ${Math.round(sizeOf(join(dataDir, 'postgres')) / 2 ** 20)} MiB`)

  t.equal((await ann.call('POST', '/plans', { ...PLAN, name: 'before the moment' })).status, 201)
  const recording = await ann.call('POST', '/activities/import', Buffer.from(recordingText()), {
    'content-type': 'application/gpx+xml'
  })
  t.equal(recording.status, 201)
  const [moment] = await live.admin<Array<{ at: string }>>`select clock_timestamp()::text as at`
  t.equal((await ann.call('POST', '/plans', { ...PLAN, name: 'a mistake' })).status, 201)
  t.equal((await ann.call('DELETE', `/activities/${recording.body.activity.id}`)).status, 204)
  const [segment] = await live.admin<Array<{ name: string }>>`select pg_walfile_name(pg_switch_wal()) as name`
  await until(() => readdirSync(archive).includes(segment?.name as string))
  t.comment(`archived log: ${Math.round(sizeOf(archive) / 2 ** 20)} MiB`)

  const restoring = performance.now()
  put(join(dataDir, 'postgres', 'cluster'), 'recovery.signal', '')
  const restored = await startServer(t, {
    dataDir,
    settings: {
      restore_command: `cp ${archive}/%f %p`,
      recovery_target_time: moment?.at as string,
      recovery_target_action: 'promote'
    }
  })
  await until(async () => (await restored.admin`select pg_is_in_recovery() as is`)[0]?.is === false)
  t.comment(`restored in ${Math.round(performance.now() - restoring)} ms`)

  const { app } = await startService(t, { env: { DATABASE_URL: restored.embedded.url } })
  const login = await inject(app, {
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email: 'ann@example.org', password: PASSWORD }
  })
  t.equal(login.status, 200)
  const headers = { authorization: `Bearer ${login.body.access_token}` }
  const names = async () => {
    const { body } = await inject(app, { method: 'GET', url: '/api/v1/plans', headers })
    return body.items.map(({ name }: { name: string }) => name)
  }
  t.same(await names(), ['before the moment', 'before the backup'])
  const original = await inject(app, {
    method: 'GET',
    url: `/api/v1/activities/${recording.body.activity.id}/file`,
    headers
  })
  t.equal(original.raw.toString(), recordingText(), 'an original, byte for byte')
  const exported = await inject(app, { method: 'GET', url: '/api/v1/me/export', headers })
  t.equal(exported.status, 200)
  t.ok(exported.raw.includes('plans.json'))
  const deleted = await inject(app, { method: 'DELETE', url: '/api/v1/me', headers, payload: { password: PASSWORD } })
  t.equal(deleted.status, 204)
  const [left] = await restored.admin<Array<{ count: number }>>`select count(*)::int as count from users`
  t.equal(left?.count, 0)
})

function recordingText (): string {
  const points = Array.from({ length: 60 }, (_, i) =>
    `<trkpt lat="${50 + i * 0.00003}" lon="8"><ele>100</ele><time>${new Date(Date.UTC(2025, 2, 1, 6, 0, i)).toISOString()}</time></trkpt>`)
  return '<?xml version="1.0"?><gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1"><trk><type>running</type>' +
    `<trkseg>${points.join('')}</trkseg></trk></gpx>`
}
