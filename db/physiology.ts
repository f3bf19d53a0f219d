import type { NewPhysiology, Physiology } from '../schemas/physiology.ts'
import { fragment, type Sql } from './sql.ts'

const columns = fragment`
  physiology_id as id, valid_from, sex, max_heart_rate_bpm, resting_heart_rate_bpm, threshold_heart_rate_bpm, threshold_pace_s_per_km, created_at
`

/** The latest day first, one more than `limit` if there is more. `after`: the last day of the previous page. */
export async function listPhysiology (
  sql: Sql,
  userId: string,
  { limit, after }: { limit: number; after?: string | undefined }
): Promise<Physiology[]> {
  return await sql<Physiology>`/* listPhysiology */
    select ${columns}
    from physiology
    where user_id = ${userId} ${after === undefined ? fragment`` : fragment`and valid_from < ${after}::date`}
    order by valid_from desc
    limit ${limit + 1}
  `
}

/** All settings for days up to this one, the latest first. */
export async function listPhysiologyUntil (sql: Sql, userId: string, day: string): Promise<Physiology[]> {
  return await sql<Physiology>`/* listPhysiologyUntil */
    select ${columns} from physiology where user_id = ${userId} and valid_from <= ${day}::date order by valid_from desc
  `
}

export async function findPhysiology (sql: Sql, userId: string, id: string): Promise<Physiology | undefined> {
  const [row] = await sql<Physiology>`/* findPhysiology */
    select ${columns} from physiology where user_id = ${userId} and physiology_id = ${id}
  `
  return row
}

/** Undefined if there are settings for that day already, also with concurrent requests. */
export async function insertPhysiology (
  sql: Sql,
  userId: string,
  id: string,
  settings: NewPhysiology
): Promise<Physiology | undefined> {
  const [row] = await sql<Physiology>`/* insertPhysiology */
    insert into physiology (
      user_id, physiology_id, valid_from, sex, max_heart_rate_bpm, resting_heart_rate_bpm, threshold_heart_rate_bpm, threshold_pace_s_per_km
    )
    values (
      ${userId}, ${id}, ${settings.valid_from}::date, ${settings.sex ?? null}, ${settings.max_heart_rate_bpm ?? null},
      ${settings.resting_heart_rate_bpm ?? null}, ${settings.threshold_heart_rate_bpm ?? null}, ${settings.threshold_pace_s_per_km ?? null}
    )
    on conflict on constraint physiology_one_a_day do nothing
    returning ${columns}
  `
  return row
}

/** Returns whether it existed. */
export async function deletePhysiology (sql: Sql, userId: string, id: string): Promise<boolean> {
  const rows = await sql`/* deletePhysiology */
    delete from physiology where user_id = ${userId} and physiology_id = ${id} returning physiology_id
  `
  return rows.length === 1
}
