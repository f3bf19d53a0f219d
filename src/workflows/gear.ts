import { lockUser } from '../../db/accounts.ts'
import { clearDefaultGear, insertGear, updateGear, type GearRow, type StoredGear } from '../../db/gear.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import type { GearChange, NewGear } from '../../schemas/gear.ts'
import { invalid } from '../errors.ts'
import { newId } from '../ids.ts'

/** @throws AppError VALIDATION_ERROR for a default that is retired */
export async function addGear (sql: Sql, userId: string, body: NewGear): Promise<GearRow> {
  const gear: StoredGear = {
    id: newId(),
    name: body.name,
    sport: body.sport ?? 'running',
    starting_distance_m: body.starting_distance_m ?? 0,
    retire_after_m: body.retire_after_m ?? null,
    is_default: body.is_default ?? false,
    retired: body.retired ?? false,
    notes: body.notes ?? null
  }
  checkDefault(gear)
  if (!gear.is_default) return await transaction(sql, async (sql) => await insertGear(sql, userId, gear))
  return await asOnlyDefault(sql, userId, gear, (sql) => insertGear(sql, userId, gear))
}

/**
 * Changes gear as it was read; undefined if it was changed in between. Gear that is retired is no longer the default.
 * @throws AppError VALIDATION_ERROR for a default that is retired
 */
export async function changeGear (
  sql: Sql,
  userId: string,
  gear: GearRow,
  change: GearChange
): Promise<GearRow | undefined> {
  const next = { ...gear, ...change }
  if (change.retired === true && change.is_default === undefined) next.is_default = false
  checkDefault(next)
  const isNewDefault = next.is_default && !(gear.is_default && gear.sport === next.sport)
  if (!isNewDefault) return await updateGear(sql, userId, next)
  return await asOnlyDefault(sql, userId, next, (sql) => updateGear(sql, userId, next))
}

function checkDefault ({ is_default, retired }: Pick<StoredGear, 'is_default' | 'retired'>): void {
  if (is_default && retired) throw invalid('is_default', 'Retired gear cannot be the default: use it again first')
}

/**
 * Makes gear the default of its sport and no other, with the account locked: of two requests that do so at once the
 * later one decides. Where `write` does nothing, neither does the rest.
 */
async function asOnlyDefault<Row extends GearRow | undefined> (
  sql: Sql,
  userId: string,
  gear: StoredGear,
  write: (sql: Sql) => Promise<Row>
): Promise<Row> {
  return await transaction(sql, async (sql) => {
    await lockUser(sql, userId)
    await clearDefaultGear(sql, userId, gear)
    return await write(sql)
  })
}
