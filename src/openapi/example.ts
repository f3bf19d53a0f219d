/** A JSON Schema, as far as examples are made from it. */
export interface Schema {
  $ref?: string
  title?: string
  description?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  examples?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  patternProperties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  minItems?: number
  minLength?: number
  maxLength?: number
  [keyword: string]: unknown
}

/** Example values by field name: a name means the same in every route and carries its unit. */
const BY_NAME: Record<string, unknown> = {
  email: 'ann@example.org',
  password: 'correct horse battery',
  current_password: 'correct horse battery',
  new_password: 'staple orbit lantern',
  access_token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl',
  refresh_token: 'q1xV0mZ3b9S2k7Jd5fH8',
  expires_in: 900,
  expires_at: '2099-12-31T23:59:59.000Z',
  timezone: 'Europe/Paris',
  name: 'Spring marathon',
  goal: 'Under 3:30',
  notes: 'Felt easy all the way.',
  description: 'Relaxed, able to talk.',
  start_date: '2024-01-15',
  end_date: '2024-04-14',
  date: '2024-04-14',
  from: '2024-01-01',
  to: '2024-03-31',
  valid_from: '2024-01-01',
  distance_m: 10000,
  min_distance_m: 5000,
  max_distance_m: 42195,
  target_time_s: 12600,
  time_s: 2700,
  elapsed_s: 3024,
  moving_s: 2985,
  timer_s: 2990,
  duration_s: 2985,
  elevation_gain_m: 85,
  elevation_loss_m: 82,
  average_heart_rate_bpm: 146,
  max_heart_rate_bpm: 188,
  resting_heart_rate_bpm: 48,
  threshold_heart_rate_bpm: 168,
  threshold_pace_s_per_km: 265,
  average_cadence_spm: 172,
  average_pace_s_per_km: 298.5,
  grade_adjusted_pace_s_per_km: 295.1,
  load: 62.4,
  perceived_effort: 4,
  laps_count: 10,
  size_bytes: 94208,
  device: 'Forerunner 255',
  file_name: 'morning-run.fit',
  sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  limit: 50,
  next_cursor: null,
  q: 'morning',
  first_weekday: 1,
  version: '1.0.0',
  uptime_seconds: 86400.5,
  latency_ms: 1.84,
  error: null,
  warnings: ['Two samples without a position were left out'],
  key: 'rt_3yQ0m8JfT2v9bX5cL7aN4kR1',
  checks: { database: { status: 'healthy', latency_ms: 1.84, error: null } },
  links: { documentation: '/docs', openapi: '/docs/json' }
}

const BY_FORMAT: Record<string, unknown> = {
  date: '2024-03-01',
  'date-time': '2024-03-01T06:30:00.000Z',
  uuid: '018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11',
  email: 'ann@example.org',
  'time-zone': 'Europe/Paris',
  uri: 'https://example.org/',
  binary: 'the bytes'
}

/** Formats whose example depends on the name of the field; the others have one example each. */
const NAMED_FORMATS = new Set(['date', 'date-time', 'email', 'time-zone'])

/** A realistic value that fits the schema. */
export function exampleOf (schema: Schema, resolve: (reference: string) => Schema, name = ''): unknown {
  if (schema.$ref !== undefined) return exampleOf(resolve(schema.$ref), resolve, name)
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  const types = [schema.type].flat()
  const named = BY_NAME[name]
  if (named !== undefined && fits(named, types, schema)) return named
  if (schema.anyOf !== undefined) return exampleOf(schema.anyOf[0] as Schema, resolve, name)
  if (types.includes('object')) return exampleObject(schema, resolve)
  if (types.includes('array')) {
    return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () =>
      exampleOf(schema.items ?? {}, resolve, name.replace(/s$/, ''))
    )
  }
  if (types.includes('string')) {
    return schema.format === undefined
      ? 'text'.padEnd(schema.minLength ?? 0, '.').slice(0, schema.maxLength)
      : (BY_FORMAT[schema.format] ?? 'text')
  }
  if (types.includes('integer') || types.includes('number')) { return schema.default ?? schema.minimum ?? Math.min(schema.maximum ?? 1, (schema.exclusiveMinimum ?? 0) + 1) }
  if (types.includes('boolean')) return schema.default ?? false
  return types.includes('null') ? null : {}
}

function exampleObject (
  { properties = {}, patternProperties = {} }: Schema,
  resolve: (reference: string) => Schema
): Record<string, unknown> {
  const [inner] = Object.values(patternProperties)
  const known = Object.entries(properties).map(([name, inner]) => [name, exampleOf(inner, resolve, name)] as const)
  return inner === undefined
    ? Object.fromEntries(known)
    : { ...Object.fromEntries(known), key: exampleOf(inner, resolve) }
}

/** Whether the example value of a field name fits this schema. */
function fits (
  value: unknown,
  types: Array<string | undefined>,
  { minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity, format, properties, items }: Schema
): boolean {
  if (value === null) return types.includes('null')
  if (typeof value === 'string') {
    return (
      types.includes('string') &&
      value.length >= minLength &&
      value.length <= maxLength &&
      (format === undefined || NAMED_FORMATS.has(format))
    )
  }
  if (typeof value === 'number') {
    return (
      (types.includes('number') || (types.includes('integer') && Number.isInteger(value))) &&
      value >= minimum &&
      value <= maximum
    )
  }
  if (Array.isArray(value)) return types.includes('array') && items?.type !== 'object'
  return types.includes('object') && properties === undefined
}
