import { fragment, identifier, type Fragment, type Sql } from './sql.ts'

type KeyType = 'uuid' | 'integer' | 'float8' | 'text' | 'date' | 'bytea'

/** A table whose rows are all exported. */
export interface ExportedTable {
  table: string
  /** The columns after `user_id` in its primary key. */
  key: Array<readonly [column: string, type: KeyType]>
  /** Columns that are not exported: hashes of secrets. */
  hidden?: string[]
}

/** The exported tables. A test fails for a table that is neither here nor below. */
export const EXPORTED_TABLES: ExportedTable[] = [
  { table: 'plans', key: [['plan_id', 'uuid']] },
  { table: 'workouts', key: [['workout_id', 'uuid']] },
  { table: 'workout_activities', key: [['workout_id', 'uuid']] },
  { table: 'declined_activities', key: [['activity_id', 'uuid']] },
  { table: 'activities', key: [['activity_id', 'uuid']] },
  { table: 'gear', key: [['gear_id', 'uuid']] },
  { table: 'goals', key: [['goal_id', 'uuid']] },
  { table: 'activity_figures', key: [['activity_id', 'uuid']] },
  { table: 'best_efforts', key: [['activity_id', 'uuid'], ['distance_m', 'float8']] },
  { table: 'imports', key: [['import_id', 'uuid']], hidden: ['worked_by', 'worked_until'] },
  { table: 'import_files', key: [['import_id', 'uuid'], ['position', 'integer']] },
  { table: 'physiology', key: [['physiology_id', 'uuid']] },
  { table: 'recordings', key: [['recording_id', 'uuid']] },
  { table: 'api_keys', key: [['key_id', 'uuid']], hidden: ['secret_hash'] },
  { table: 'identities', key: [['issuer', 'text'], ['subject', 'text']] },
  { table: 'sessions', key: [['session_id', 'uuid']] }
]

/** Tables with a `user_id` that are not exported as a file, with the reason. */
export const NOT_EXPORTED: Record<string, string> = {
  users: 'is user.json',
  emails: 'the address is in user.json',
  recording_chunks: 'the originals, in their folder',
  activity_streams: 'computed of the originals, which are in their folder',
  import_uploads: 'the names of uploads, with those of their files in import_files',
  import_chunks: 'uploads that are being imported, gone when they are done',
  import_gear: 'which gear an import has made, needed to take it back',
  recomputations: 'work of the service, gone when it is done',
  refresh_tokens: 'hashes of secrets',
  calendar_feeds: 'the hash of a secret',
  cancelled_workouts: 'deleted by the runner, kept for calendars that subscribed',
  idempotency_keys: 'encrypted with keys that the service does not store'
}

const TYPES: Record<KeyType, Fragment> = {
  uuid: fragment`uuid`,
  integer: fragment`integer`,
  float8: fragment`float8`,
  text: fragment`text`,
  date: fragment`date`,
  bytea: fragment`bytea`
}

/**
 * A page of rows without the hidden columns, in the order of the key, after `after`, the last row of the previous page.
 */
export async function listRows (
  sql: Sql,
  userId: string,
  { table, key, hidden = [] }: ExportedTable,
  limit: number,
  after?: Record<string, unknown>
): Promise<Array<Record<string, unknown>>> {
  const columns = list(key.map(([column]) => identifier(column)))
  const beyond =
    after === undefined
      ? fragment``
      : fragment`and (${columns}) > (${list(key.map(([column, type]) => fragment`${String(after[column])}::${TYPES[type]}`))})`
  const rows = await sql<{ record: Record<string, unknown> }>`/* listRows */
    select to_jsonb(t) - ${['user_id', ...hidden]}::text[] as record
    from ${identifier(table)} t
    where user_id = ${userId} ${beyond}
    order by ${columns}
    limit ${limit}
  `
  return rows.map(({ record }) => record)
}

/** The account itself, without the password hash. */
export async function findAccount (sql: Sql, userId: string): Promise<Record<string, unknown> | undefined> {
  const [row] = await sql<{ record: Record<string, unknown> }>`/* findAccount */
    select to_jsonb(u) - 'password_hash' as record from users u where user_id = ${userId}
  `
  return row?.record
}

export interface Original {
  recording_id: string
  format: string
  size_bytes: number
  /** The day of its first activity, otherwise the day of the upload. */
  day: string
}

/** A page of originals after `after`, the oldest id first. */
export async function listOriginals (sql: Sql, userId: string, limit: number, after?: string): Promise<Original[]> {
  return await sql<Original>`/* listOriginals */
    select r.recording_id, r.format, r.size_bytes, coalesce(
      (select min(a.local_date) from activities a where a.user_id = ${userId} and a.recording_id = r.recording_id), r.created_at::date
    ) as day
    from recordings r
    where r.user_id = ${userId} ${after === undefined ? fragment`` : fragment`and r.recording_id > ${after}::uuid`}
    order by r.recording_id
    limit ${limit}
  `
}

function list (parts: Fragment[]): Fragment {
  return parts.reduce((all, part) => fragment`${all}, ${part}`)
}
