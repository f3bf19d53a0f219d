import type { ServerState } from './hosts.ts'
import type { BackendKey } from './socket.ts'

/** `transaction`: PgBouncer gives the server's connection to another client after each transaction. */
export type Pooler = 'none' | 'transaction'

export interface SessionOptions {
  pooler: Pooler
  applicationName: string
  queryTimeoutMs: number
}

/** The server ends by itself what this process could not, when it is gone or cannot reach it. */
const BACKSTOP_MARGIN_MS = 2000

/** Without these, values are read wrongly. PgBouncer keeps them for each of its clients. */
const REQUIRED = { DateStyle: 'ISO', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/**
 * Without these, floats lose digits, and NULL in an array is a text. PgBouncer refuses them: there, the role or the
 * database must have them.
 */
const WANTED = { extra_float_digits: '1', array_nulls: 'on' }

/**
 * What a connection says when it starts. It goes before the settings of the server, the database and the role, so that
 * values are written and read the same way whatever those are.
 */
export function sessionParameters (options: SessionOptions): Record<string, string | number> {
  const { pooler, applicationName } = options
  const common = { application_name: applicationName, ...REQUIRED }
  if (pooler === 'transaction') return common
  return {
    ...common,
    ...WANTED,
    bytea_output: 'hex',
    IntervalStyle: 'postgres',
    statement_timeout: backstopMs(options),
    idle_in_transaction_session_timeout: backstopMs(options)
  }
}

/** `begin`, with what a connection could not be told at its start. */
export function beginText (modes: string, options: SessionOptions): string {
  if (options.pooler === 'none') return `begin${modes}`
  const ms = backstopMs(options)
  return `begin${modes}; set local statement_timeout = ${ms}; set local idle_in_transaction_session_timeout = ${ms}`
}

function backstopMs ({ queryTimeoutMs }: SessionOptions): number {
  return Math.round(queryTimeoutMs + BACKSTOP_MARGIN_MS)
}

/** The columns that `serverStateOf` reads. */
export const SERVER_STATE =
  "current_setting('port') || ' ' || extract(epoch from pg_postmaster_start_time()) as identity, " +
  "pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as read_only"

export function serverStateOf (row: unknown): ServerState {
  const { identity, standby, read_only: readOnly } = row as { identity: string, standby: boolean, read_only: string }
  return { identity, standby, readOnly: readOnly === 'on' }
}

type Answer = ArrayLike<unknown> & { state: unknown }

/**
 * Asks the server how the settings are, on a connection that has just started. Answers by which key the server knows
 * the connection, and which server it is. Throws where values would be read wrongly, as behind a pooler that drops what
 * it is told.
 */
export async function checkSession (
  ask: (text: string) => Promise<Answer>,
  onUnfitSetting: (setting: string, value: string) => void
): Promise<{ key: BackendKey, server: ServerState }> {
  const names = [...Object.keys(REQUIRED), ...Object.keys(WANTED)]
  const columns = names.map((name) => `current_setting('${name}') as "${name}"`).join(', ')
  const answer = await ask(`/* checkSession */ select ${columns}, ${SERVER_STATE}`)
  const settings = answer[0] as Record<string, string>
  for (const [name, needed] of Object.entries(REQUIRED)) {
    const value = settings[name] as string
    if (!value.startsWith(needed)) throw new Error(`The server has ${name} = ${value} though ${needed} was asked for`)
  }
  if (Number(settings.extra_float_digits) < 1) onUnfitSetting('extra_float_digits', settings.extra_float_digits as string)
  if (settings.array_nulls !== 'on') onUnfitSetting('array_nulls', settings.array_nulls as string)
  const { pid, secret } = answer.state as BackendKey
  return { key: { pid, secret }, server: serverStateOf(answer[0]) }
}
