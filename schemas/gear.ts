import { Type, type Static } from '@sinclair/typebox'
import { Sport } from './activities.ts'
import { Id, Moment, PageQuery, nullable, page, text } from './common.ts'

const name = Type.String({ minLength: 1, maxLength: 200, examples: ['Blue trail shoes'] })
const startingDistance = Type.Number({
  minimum: 0, maximum: 100_000_000, description: 'Metres covered before its first activity here'
})
const retireAfter = Type.Number({
  exclusiveMinimum: 0, maximum: 100_000_000, description: 'Metres after which it should be replaced', examples: [800_000]
})
const isDefault = Type.Boolean({
  description: 'Whether new activities of its sport get it unless they name other gear; at most one of a sport'
})
const retired = Type.Boolean({ description: 'Whether it is no longer used; retired gear is no default' })

/** What activities are done with, shoes above all. */
export const Gear = Type.Object({
  id: Id,
  name,
  sport: Sport,
  distance_m: Type.Number({ description: 'Metres covered so far: starting_distance_m and its activities' }),
  starting_distance_m: startingDistance,
  retire_after_m: nullable(retireAfter),
  is_default: isDefault,
  retired,
  notes: nullable(Type.String()),
  created_at: Moment,
  updated_at: Moment
}, { title: 'Gear' })
export type Gear = Static<typeof Gear>

export const NewGear = Type.Object({
  name,
  sport: Type.Optional(Type.String({ ...Sport, description: 'running if it is not given' })),
  starting_distance_m: Type.Optional(startingDistance),
  retire_after_m: Type.Optional(retireAfter),
  is_default: Type.Optional(isDefault),
  retired: Type.Optional(retired),
  notes: Type.Optional(text(10_000))
}, { additionalProperties: false })
export type NewGear = Static<typeof NewGear>

export const GearChange = Type.Object({
  name: Type.Optional(name),
  sport: Type.Optional(Sport),
  starting_distance_m: Type.Optional(startingDistance),
  retire_after_m: Type.Optional(nullable(retireAfter)),
  is_default: Type.Optional(isDefault),
  retired: Type.Optional(retired),
  notes: Type.Optional(nullable(text(10_000)))
}, { additionalProperties: false, minProperties: 1 })
export type GearChange = Static<typeof GearChange>

export const GearQuery = Type.Object({
  sport: Type.Optional(Sport),
  retired: Type.Optional(Type.Boolean()),
  ...PageQuery
}, { additionalProperties: false })
export type GearQuery = Static<typeof GearQuery>

export const GearParams = Type.Object({ gear_id: Id })
export const GearPage = page(Gear)
