import { parseAddress } from './driver/address.ts'
import { connectDirectly } from './driver/direct.ts'
import { MigrationError } from './failure.ts'
import { pending } from './migrate.ts'
import { clusterProblem, findCluster, spreadTables } from './spread.ts'
import type { Cluster, Query, SpreadProblem } from './spread.ts'

/** How long a connection may take to be made. */
const CONNECT_MS = 10_000

/**
 * Spreads the tables of runners over the workers of a Citus cluster, in one transaction; those that are spread already
 * stay as they are. Answers which were spread.
 * @throws MigrationError where the database is no cluster, or none that the tables can be spread over
 */
export async function spread (url: string): Promise<string[]> {
  const driver = await connectDirectly(parseAddress(url), CONNECT_MS, { onnotice: () => {} })
  try {
    return await driver.begin(async (sql) => {
      const query: Query = (strings, ...values) => sql<object[]>(strings, ...values)
      // It moves every row, however long that takes.
      await query`/* unboundSpread */ select set_config('statement_timeout', '0', true)`
      const cluster = await findCluster(query)
      if (cluster === undefined) throw refusal(NO_CLUSTER)
      const migrations = await pending((strings) => sql<object[]>(strings))
      const found = clusterProblem(cluster) ?? schemaProblem(cluster, migrations, await listClearingKeys(query))
      if (found !== undefined) throw refusal(found)
      return await spreadTables(query, async (text) => await sql.unsafe(text), cluster.tables)
    }) as string[]
  } finally {
    await driver.end({ timeout: 2 })
  }
}

const NO_CLUSTER: SpreadProblem = {
  problem: 'the database is not part of a Citus cluster',
  remedy: 'Install Citus on every node, add it to shared_preload_libraries, and run on each: create extension citus;'
}

function schemaProblem ({ tables }: Cluster, migrations: string[], clearing: string[]): SpreadProblem | undefined {
  if (migrations.length > 0) {
    return { problem: `migrations are not applied yet: ${migrations.join(', ')}`, remedy: 'Run: npm run migrate' }
  }
  if (clearing.length > 0) {
    return {
      problem: `foreign keys clear columns where a row is deleted, which no spread table may have: ${clearing.join(', ')}`,
      remedy: 'Replace each by a foreign key without "on delete set", and clear the columns in the statement that deletes.'
    }
  }
  const apart = tables.filter(({ isSpread, isColocated }) => isSpread && !isColocated).map(({ name }) => name)
  if (apart.length === 0) return undefined
  return {
    problem: `spread, but not with users: ${apart.join(', ')}`,
    remedy: `Run for each, and then npm run spread: select undistribute_table('${apart[0]}');`
  }
}

function refusal ({ problem, remedy }: SpreadProblem): MigrationError {
  return new MigrationError(`The tables are not spread: ${problem}.`, { reason: problem, remedy })
}

/** The foreign keys that Citus refuses: an account's id would be cleared with the rest. */
async function listClearingKeys (sql: Query): Promise<string[]> {
  const rows = await sql`/* listClearingKeys */
    select conname::text as name from pg_constraint
    where contype = 'f' and confdeltype in ('n', 'd') and connamespace = current_schema()::regnamespace
    order by conname
  ` as Array<{ name: string }>
  return rows.map(({ name }) => name)
}
