/** Anything that runs SQL: postgres.js, or the service's own `Sql`. */
export type Query = (strings: TemplateStringsArray, ...values: string[]) => PromiseLike<object[]>

/** A table whose rows belong to a runner: its primary key begins with `user_id`. */
export interface RunnersTable {
  name: string
  /** The tables of runners that its foreign keys name, other than itself. */
  parents: string[]
  isSpread: boolean
  /** Whether its rows are on the same node as those of `users`. */
  isColocated: boolean
}

/** The cluster that a database belongs to. */
export interface Cluster {
  isCoordinator: boolean
  workers: number
  /** Nodes that keep another time zone than UTC, or that did not answer, each in words. */
  problems: string[]
  /** In the order in which they are spread: parents before children. */
  tables: RunnersTable[]
}

/** What is wrong with a cluster, and what to do about it. */
export interface SpreadProblem { problem: string, remedy: string }

/** Citus is there when its catalogue is: the extension's own name is not visible through every search path. */
export async function isCluster (sql: Query): Promise<boolean> {
  const [row] = await sql`/* findCluster */
    select to_regclass('pg_dist_partition') is not null as is_cluster
  ` as Array<{ is_cluster: boolean }>
  return row?.is_cluster === true
}

/** The cluster as it is; undefined where the database belongs to none. */
export async function findCluster (sql: Query): Promise<Cluster | undefined> {
  if (!await isCluster(sql)) return undefined
  const [row] = await sql`/* findNodes */
    select
      coalesce((select groupid = 0 from pg_dist_local_group), false) as is_coordinator,
      (select count(*)::int from pg_dist_node where noderole = 'primary' and isactive and groupid <> 0) as workers
  ` as Array<{ is_coordinator: boolean, workers: number }>
  const { is_coordinator: isCoordinator = false, workers = 0 } = row ?? {}
  return {
    isCoordinator,
    workers,
    problems: isCoordinator ? await findNodeProblems(sql) : [],
    tables: await listTables(sql)
  }
}

/** The tables of runners, in the order in which they are spread. */
export async function listTables (sql: Query): Promise<RunnersTable[]> {
  return inOrder(await listRunnersTables(sql))
}

/** The service's own sessions are in UTC, but their settings do not reach the workers. */
async function findNodeProblems (sql: Query): Promise<string[]> {
  const rows = await sql`/* listTimeZones */
    select nodeid, success, result from run_command_on_all_nodes('select current_setting(''TimeZone'')')
  ` as Array<{ nodeid: number, success: boolean, result: string }>
  return rows
    .filter(({ success, result }) => !success || !/^(?:Etc\/)?(?:UTC|UCT|Universal|Zulu)$/i.test(result))
    .map(({ nodeid, success, result }) => success
      ? `node ${nodeid} keeps the time zone ${result}`
      : `node ${nodeid} does not answer`)
}

async function listRunnersTables (sql: Query): Promise<RunnersTable[]> {
  const rows = await sql`/* listRunnersTables */
    select
      c.relname::text as name,
      coalesce((
        select json_agg(distinct p.relname)
        from pg_constraint f join pg_class p on p.oid = f.confrelid
        where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid
      ), '[]') as parents,
      d.logicalrelid is not null as is_spread,
      coalesce(d.colocationid = (
        select colocationid from pg_dist_partition where logicalrelid = to_regclass('users')
      ), false) as is_colocated
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    left join pg_dist_partition d on d.logicalrelid = c.oid and d.partmethod = 'h'
    where i.indisprimary and a.attname = 'user_id' and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
    order by c.relname
  ` as Array<{ name: string, parents: string[], is_spread: boolean, is_colocated: boolean }>
  const names = new Set(rows.map(({ name }) => name))
  return rows.map(({ name, parents, is_spread: isSpread, is_colocated: isColocated }) => (
    { name, parents: parents.filter((parent) => names.has(parent)), isSpread, isColocated }
  ))
}

/** Parents before children. Where tables refer to each other in a circle, the first by name comes first. */
function inOrder (tables: RunnersTable[]): RunnersTable[] {
  const left = [...tables]
  const ordered: RunnersTable[] = []
  while (left.length > 0) {
    const next = left.findIndex(({ parents }) => parents.every((parent) => !left.some(({ name }) => name === parent)))
    ordered.push(...left.splice(Math.max(next, 0), 1))
  }
  return ordered
}

/** What keeps a cluster from being spread over, or from being used; undefined where nothing does. */
export function clusterProblem ({ isCoordinator, workers, problems }: Cluster): SpreadProblem | undefined {
  if (!isCoordinator) {
    return {
      problem: 'this node is not the coordinator: locks and look-ups are on the coordinator alone',
      remedy: 'Name the coordinator in DATABASE_URL.'
    }
  }
  if (workers === 0) {
    return {
      problem: 'the cluster has no workers',
      remedy: "Run on the coordinator: select citus_set_coordinator_host('its address'); " +
        "select citus_add_node('the address of a worker', 5432);"
    }
  }
  if (problems.length > 0) {
    return {
      problem: `${problems.join('; ')}; dates of runners would shift, as the settings of a session do not reach other nodes`,
      remedy: "Run on each of these nodes, see that it answers, and connect again: alter system set timezone = 'UTC'; " +
        'select pg_reload_conf();'
    }
  }
  return undefined
}

/** What is wrong with the tables of a cluster over which `users` is spread; undefined where nothing is. */
export function tablesProblem ({ tables }: Cluster): SpreadProblem | undefined {
  const plain = tables.filter(({ isSpread, isColocated }) => !isSpread || !isColocated).map(({ name }) => name)
  if (plain.length === 0) return undefined
  return {
    problem: `not spread with users: ${plain.join(', ')}; what belongs to a deleted account stays there`,
    remedy: 'Run: npm run spread'
  }
}

/** Runs a text as it is. */
type Run = (text: string) => Promise<unknown>

/**
 * Spreads the tables that are not spread yet; answers which those were. To be called in a transaction. A foreign key to
 * a table that comes later, in a circle of tables, is dropped and added again behind it.
 */
export async function spreadTables (sql: Query, run: Run, tables: RunnersTable[]): Promise<string[]> {
  const plain = tables.filter(({ isSpread }) => !isSpread).map(({ name }) => name)
  if (plain.length === 0) return []
  // Foreign keys between them do not go with statements that run on several nodes at once.
  await sql`/* spreadInTurn */ select set_config('citus.multi_shard_modify_mode', 'sequential', true)`
  const forward = await listForwardKeys(sql, plain)
  for (const { table, name } of forward) await run(`alter table ${table} drop constraint ${name}`)
  for (const name of plain) {
    await sql`/* spreadTable */
      select create_distributed_table(
        ${name}::text::regclass, 'user_id', colocate_with => ${name === 'users' ? 'default' : 'users'}::text
      )
    `
  }
  for (const { table, name, definition } of forward) await run(`alter table ${table} add constraint ${name} ${definition}`)
  return plain
}

interface ForeignKey { table: string, name: string, definition: string }

/** The foreign keys of tables to others that are behind them, as SQL writes them. */
async function listForwardKeys (sql: Query, tables: string[]): Promise<ForeignKey[]> {
  return await sql`/* listForwardKeys */
    select quote_ident(c.relname) as table, quote_ident(f.conname) as name, pg_get_constraintdef(f.oid) as definition
    from pg_constraint f
    join pg_class c on c.oid = f.conrelid
    join pg_class p on p.oid = f.confrelid
    cross join (select string_to_array(${tables.join(',')}, ',') as names) as given
    where f.contype = 'f' and c.relnamespace = current_schema()::regnamespace
      and array_position(given.names, p.relname::text) > array_position(given.names, c.relname::text)
    order by f.conname
  ` as ForeignKey[]
}

/** Whether `users` is spread, and the tables that are made have to be, too. */
export async function isSpread (sql: Query): Promise<boolean> {
  if (!await isCluster(sql)) return false
  const rows = await sql`/* findSpread */
    select 1 from pg_dist_partition where logicalrelid = to_regclass('users') and partmethod = 'h'
  `
  return rows.length > 0
}

/** Of statements in their order, those before which the tables that were made so far must be spread. */
export class MadeTables {
  #plain = new Set<string>()

  /**
   * Whether the tables made so far have to be spread before this statement: it is about another table, which may be
   * spread and refer to them. What only changes a table that was just made is done while that is still plain.
   */
  isBefore (statement: string): boolean {
    const text = statement.trim().toLowerCase().replace(/\s+/g, ' ')
    const made = /^create table (?:if not exists )?([^\s(]+)/.exec(text)?.[1]
    if (made !== undefined) {
      this.#plain.add(bare(made))
      return false
    }
    const changed = /^alter table (?:if exists )?(?:only )?(\S+)/.exec(text)?.[1] ??
      /^create (?:unique )?index (?:if not exists )?(?:(?!on )\S+ )?on (?:only )?([^\s(]+)/.exec(text)?.[1]
    if (this.#plain.size === 0 || (changed !== undefined && this.#plain.has(bare(changed)))) return false
    this.#plain.clear()
    return true
  }

  /** Whether the table was made, and is plain where the others are spread. */
  isPlain (table: string): boolean {
    return this.#plain.has(bare(table))
  }
}

function bare (name: string): string {
  return name.replaceAll('"', '').replace(/^public\./, '')
}
