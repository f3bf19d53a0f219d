import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import t from 'tap'
import { migrate } from '../../db/migrate.ts'
import { createDatabase } from '../harness/database.ts'
import { listener } from '../harness/listener.ts'

interface Column { place: string, type: string, nullable: boolean, filled: boolean }

/** Every column there is, by `table.column`. */
async function columnsOf (sql: postgres.Sql): Promise<Map<string, Column>> {
  const rows = await sql<Column[]>`
    select table_name || '.' || column_name as place, data_type as type, is_nullable = 'YES' as nullable, column_default is not null as filled
    from information_schema.columns where table_schema = 'public'
  `
  return new Map(rows.map((row) => [row.place, row]))
}

/**
 * During an upgrade the version before runs on the new schema for a while. There is no release before this one to run a
 * smoke suite of, so that what any version before relies on is compared: what it reads and writes is still there, of
 * the same type, and nothing it does not know of is asked of it.
 */
t.test('each migration leaves the version before it able to read and to write', async (t) => {
  const names = readdirSync('db/migrations').filter((name) => name.endsWith('.sql')).sort()
  const dir = t.testdir({})
  const url = await createDatabase(t, { migrated: false })
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(async () => { await sql.end({ timeout: 5 }) })
  t.ok(names.length > 1)
  let before = new Map<string, Column>()
  for (const name of names) {
    cpSync(join('db/migrations', name), join(dir, name))
    await migrate(url, { log: listener().log, dir })
    const after = await columnsOf(sql)
    for (const [place, column] of before) {
      t.equal(after.get(place)?.type, column.type, `${name} leaves ${place} as it is`)
      if (column.nullable) t.ok(after.get(place)?.nullable, `${name} lets ${place} be left out`)
    }
    const tables = new Set([...before.keys()].map((place) => place.split('.')[0]))
    for (const [place, { nullable, filled }] of after) {
      if (before.has(place) || !tables.has(place.split('.')[0])) continue
      t.ok(nullable || filled, `${name} adds ${place}, which a version that does not know it need not fill`)
    }
    before = after
  }
})
