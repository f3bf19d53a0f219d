import type { Gear } from '../schemas/gear.ts'
import { fragment, transaction, type Fragment, type Sql } from './sql.ts'

export interface GearRow extends Gear {
  /** Changes with the distance too, so that two representations with one entity tag are the same. */
  revision: string
  /** Of the row itself. */
  own_revision: number
}

/** The fields that are stored. */
export type StoredGear = Omit<Gear, 'distance_m' | 'created_at' | 'updated_at'>

export interface GearFilter {
  sport?: string | undefined
  retired?: boolean | undefined
  limit: number
}

const columns = fragment`
  g.gear_id as id, g.name, g.sport, covered.distance_m, g.starting_distance_m, g.retire_after_m, g.is_default, g.retired, g.notes,
  g.created_at, g.updated_at, g.revision as own_revision, g.revision || '-' || round(covered.distance_m * 100)::bigint as revision
`
/** Rounded: the sum of floating-point numbers depends on their order. */
function covered (userId: string): Fragment {
  return fragment`
    (
      select round((g.starting_distance_m + coalesce(sum(a.distance_m), 0))::numeric, 2)::float8 as distance_m
      from activities a
      where a.user_id = ${userId} and a.gear_id = g.gear_id
    ) as covered
  `
}

/** Newest first, one more than `limit` if there is more; `after`: the id of the last item of the page before. */
export async function listGear (
  sql: Sql,
  userId: string,
  { sport, retired, limit }: GearFilter,
  after?: string
): Promise<GearRow[]> {
  return await sql<GearRow>`/* listGear */
    select ${columns}
    from (
      select * from gear
      where user_id = ${userId}
        ${after === undefined ? fragment`` : fragment`and gear_id < ${after}::uuid`}
        ${sport === undefined ? fragment`` : fragment`and sport = ${sport}`}
        ${retired === undefined ? fragment`` : fragment`and retired = ${retired}`}
      order by gear_id desc
      limit ${limit + 1}
    ) g
    cross join lateral ${covered(userId)}
    order by g.gear_id desc
  `
}

export async function findGear (sql: Sql, userId: string, gearId: string): Promise<GearRow | undefined> {
  const [gear] = await sql<GearRow>`/* findGear */
    select ${columns} from gear g cross join lateral ${covered(userId)} where g.user_id = ${userId} and g.gear_id = ${gearId}
  `
  return gear
}

/** Gear by what it is called, in use rather than retired. */
export async function findGearByName (sql: Sql, userId: string, name: string): Promise<string | undefined> {
  const [row] = await sql<{ gear_id: string }>`/* findGearByName */
    select gear_id from gear where user_id = ${userId} and lower(name) = lower(${name}) order by retired, gear_id limit 1
  `
  return row?.gear_id
}

/** To be called in a transaction. */
export async function insertGear (sql: Sql, userId: string, gear: StoredGear): Promise<GearRow> {
  await sql`/* insertGear */
    insert into gear (
      user_id, gear_id, name, sport, starting_distance_m, retire_after_m, is_default, retired, notes
    ) values (
      ${userId}, ${gear.id}, ${gear.name}, ${gear.sport}, ${gear.starting_distance_m}, ${gear.retire_after_m}, ${gear.is_default},
      ${gear.retired}, ${gear.notes}
    )
  `
  return await findGear(sql, userId, gear.id) as GearRow
}

/** Stores gear that was changed; undefined if another request changed or deleted it since it was read. */
export async function updateGear (sql: Sql, userId: string, next: GearRow): Promise<GearRow | undefined> {
  const [row] = await sql<GearRow>`/* updateGear */
    with g as (
      update gear
      set name = ${next.name}, sport = ${next.sport}, starting_distance_m = ${next.starting_distance_m},
        retire_after_m = ${next.retire_after_m}, is_default = ${next.is_default}, retired = ${next.retired}, notes = ${next.notes},
        revision = revision + 1, updated_at = now()
      where user_id = ${userId} and gear_id = ${next.id} and revision = ${next.own_revision}
      returning *
    )
    select ${columns} from g cross join lateral ${covered(userId)}
  `
  return row
}

/**
 * Ends that any other gear is the default of a sport. To be called with the account locked, before there is a new
 * default.
 */
export async function clearDefaultGear (
  sql: Sql,
  userId: string,
  { id, sport }: Pick<StoredGear, 'id' | 'sport'>
): Promise<void> {
  await sql`/* clearDefaultGear */
    update gear
    set is_default = false, revision = revision + 1, updated_at = now()
    where user_id = ${userId} and sport = ${sport} and is_default and gear_id <> ${id}
  `
}

/**
 * Deletes gear as it was read, and clears it from its activities; undefined if it was changed in between. The gear is
 * locked first: an activity that is being stored with it is waited for, and then cleared.
 */
export async function deleteGear (sql: Sql, userId: string, gear: GearRow): Promise<true | undefined> {
  return await transaction(sql, async (sql) => {
    const rows = await sql`/* lockGear */
      select 1 from gear where user_id = ${userId} and gear_id = ${gear.id} and revision = ${gear.own_revision} for update
    `
    if (rows.length === 0) return undefined
    await sql`/* clearGear */
      update activities set gear_id = null, revision = revision + 1, updated_at = now()
      where user_id = ${userId} and gear_id = ${gear.id}
    `
    await sql`/* deleteGear */
      delete from gear where user_id = ${userId} and gear_id = ${gear.id}
    `
    return true
  })
}
