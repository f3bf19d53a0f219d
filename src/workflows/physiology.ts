import { deletePhysiology, insertPhysiology } from '../../db/physiology.ts'
import { queueLoads } from '../../db/recomputations.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import type { NewPhysiology, Physiology } from '../../schemas/physiology.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { newId } from '../ids.ts'

/** Stores settings; the loads from their day on are queued to follow. Undefined if there are settings for that day. */
export async function addSettings (
  sql: Sql,
  userId: string,
  settings: NewPhysiology
): Promise<Physiology | undefined> {
  return await transaction(sql, async (sql) => {
    const made = await insertPhysiology(sql, userId, newId(), settings)
    if (made !== undefined) await queueLoads(sql, userId, made.valid_from, FORMULA_VERSIONS.load)
    return made
  })
}

/** Deletes settings; the loads from their day on are queued to follow. Returns whether there were any. */
export async function removeSettings (sql: Sql, userId: string, { id, valid_from }: Physiology): Promise<boolean> {
  return await transaction(sql, async (sql) => {
    const existed = await deletePhysiology(sql, userId, id)
    if (existed) await queueLoads(sql, userId, valid_from, FORMULA_VERSIONS.load)
    return existed
  })
}
