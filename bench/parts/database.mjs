import { mkdtempSync, chmodSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startEmbedded } from '../../dist/db/embedded/start.js'
import { migrate } from '../../dist/db/migrate.js'
import { CORES, moveTo } from './cores.mjs'

const quiet = {
  debug () {},
  info () {},
  warning: console.error,
  error: console.error,
  critical: console.error,
  named: () => quiet
}

/** An embedded Postgres with the service's settings, in a folder that goes when it stops, migrated and empty. */
export async function openDatabase ({ cores = CORES.database, migrated = true } = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'running-trainer-bench-'))
  chmodSync(dataDir, 0o755)
  const embedded = await startEmbedded({ dataDir, log: quiet })
  moveTo(cores, embedded.pid)
  if (migrated) await migrate(embedded.url, { log: quiet })
  const sql = postgres(embedded.url, { max: 1, onnotice: () => {} })
  return {
    url: embedded.url,
    sql,
    dataDir,
    async close () {
      await sql.end({ timeout: 1 })
      await embedded.stop()
      rmSync(dataDir, { recursive: true, force: true })
    }
  }
}

/**
 * Runners, each with so many plans. The accounts in `known` are there already and get their share of plans; the rest is
 * made here. Ids are made so that they sort as the service's own do.
 */
export async function seed (sql, { runners, plans, known = [] }) {
  await sql`
    insert into users (user_id, email, name)
    select gen_random_uuid(), 'runner' || n || '@example.org', 'Runner ' || n
    from generate_series(1, ${runners - known.length}) n
  `
  await sql`
    insert into plans (user_id, plan_id, name, goal, status, start_date, end_date, race, notes, created_at, updated_at)
    select
      user_id,
      (to_hex(26000000 + n) || '0-0000-7' || substr(gen_random_uuid()::text, 16))::uuid,
      'Spring marathon, block ' || n,
      'Under three hours',
      (array['draft', 'active', 'completed', 'archived'])[1 + n % 4],
      date '2024-01-01' + n * 7,
      date '2024-01-01' + n * 7 + 112,
      jsonb_build_object('name', 'City marathon', 'date', date '2024-01-01' + n * 7 + 112, 'distance_m', 42195, 'target_time_s', 10800 - n),
      'Long run on Sundays; strides on Tuesdays.',
      timestamptz '2024-01-01 06:30:00.125+00' + n * interval '1 day',
      timestamptz '2024-01-01 06:30:00.125+00' + n * interval '1 day'
    from users, generate_series(1, ${plans / runners}) n
  `
  await sql`vacuum analyze`
  const [{ count }] = await sql`select count(*)::int as count from plans`
  if (count !== plans) throw new Error(`${count} plans instead of ${plans}`)
}
