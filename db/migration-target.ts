import { MigrationError, quoted } from './failure.ts'

export const OLDEST_MAJOR = 15

/** What a database is like that is to be migrated, and what the role may do there. */
export interface MigrationTarget {
  version: string
  version_number: number
  role: string
  database: string
  /** Where new tables go; null where no schema of the search path can be used. */
  schema: string | null
  may_create: boolean
  read_only: boolean
  /** `UTF8`, or the encoding that can store less. */
  encoding: string
  /** Of the table `schema_migrations`; null where there is none. */
  columns: string[] | null
}

/** What runs one statement with rows of the given type. */
export type FindTarget = (strings: TemplateStringsArray) => PromiseLike<MigrationTarget[]>

export async function findTarget (sql: FindTarget): Promise<MigrationTarget> {
  const [target] = await sql`/* findMigrationTarget */
    select
      current_setting('server_version') as version,
      current_setting('server_version_num')::int as version_number,
      current_user::text as role,
      current_database()::text as database,
      current_schema()::text as schema,
      coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
      pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as read_only,
      current_setting('server_encoding') as encoding,
      (
        select json_agg(attname order by attnum) from pg_attribute
        where attrelid = to_regclass('schema_migrations') and attnum > 0 and not attisdropped
      ) as columns
  `
  if (target === undefined) throw new Error('The database gave no answer')
  return target
}

/** @throws MigrationError for a server that is too old, and for a table that belongs to another program */
export function refuseTarget ({ version, version_number: number, columns, database, role }: MigrationTarget): void {
  if (number < OLDEST_MAJOR * 10_000) {
    throw new MigrationError(`The database server is PostgreSQL ${version}; ${OLDEST_MAJOR} or newer is needed.`, {
      reason: `the database server is older than PostgreSQL ${OLDEST_MAJOR}`,
      remedy: `Upgrade the server to PostgreSQL ${OLDEST_MAJOR} or newer.`
    })
  }
  if (columns !== null && !isOurs(columns)) {
    throw foreignTable(` (its columns are ${columns.join(', ')})`, { database, role })
  }
}

/** @throws MigrationError where the role cannot create the service's tables */
export function refuseReadOnly ({ read_only: isReadOnly }: MigrationTarget): void {
  if (!isReadOnly) return
  throw new MigrationError('The database is read-only, and migrations are to be applied.', {
    reason: 'the database is read-only, and migrations are to be applied',
    remedy: 'Point DATABASE_URL at the primary, or turn default_transaction_read_only off.'
  })
}

/** @throws MigrationError where the role may not create tables, with the GRANT that lets it */
export function refuseUnprivileged (target: MigrationTarget): void {
  if (target.may_create) return
  const remedy = grantOf(target)
  throw new MigrationError(`The role ${quoted(target.role)} may not create tables. ${remedy}`, {
    reason: 'the database user may not create tables',
    remedy
  })
}

/** What lets the role create tables where they belong. */
export function grantOf ({ schema, role, database }: Pick<MigrationTarget, 'schema' | 'role' | 'database'>): string {
  return schema === null
    ? `Run, as the owner of the database: GRANT USAGE, CREATE ON SCHEMA public TO ${quoted(role)};`
    : `Run, as the owner of the database ${quoted(database)}: ` +
      `GRANT CREATE ON SCHEMA ${schema === 'public' ? schema : quoted(schema)} TO ${quoted(role)};`
}

export function foreignTable (columns = '', names?: { database: string, role: string }): MigrationError {
  const create = names === undefined
    ? ''
    : `: CREATE DATABASE ${quoted(`${names.database}_runs`)} OWNER ${quoted(names.role)} ENCODING 'UTF8' TEMPLATE template0;`
  return new MigrationError(
    `The table schema_migrations is another program's${columns}. Nothing was written to this database.`,
    {
      reason: "the table schema_migrations in this database is another program's",
      remedy: `Give the service a database of its own, and name it in DATABASE_URL${create}`
    }
  )
}

const OURS = ['version', 'name', 'checksum', 'applied_at']

function isOurs (columns: string[]): boolean {
  return OURS.every((name) => columns.includes(name))
}
