import postgres from 'postgres'
import type { Test } from 'tap'
import { createDatabase as open } from '../../db/database.ts'
import type { Database, DatabaseOptions } from '../../db/database.ts'
import { DatabaseError } from '../../db/sql.ts'
import type { Logger } from '../../db/sql.ts'

export interface LogLine { level: string, logger: string, message: string, fields: Record<string, unknown> }

/** A logger that records its lines. */
export function recorder (lines: LogLine[] = [], logger = 'app'): Logger & { lines: LogLine[] } {
  const at =
    (level: string) =>
      (message: string, fields: Record<string, unknown> = {}) => {
        lines.push({ level, logger, message, fields })
      }
  return {
    lines,
    debug: at('DEBUG'),
    info: at('INFO'),
    warning: at('WARNING'),
    error: at('ERROR'),
    named: (name) => recorder(lines, name)
  }
}

/** A database with short deadlines, closed after the test, and its log lines. */
export function openDatabase (
  t: Pick<Test, 'teardown'>,
  url: string,
  options: Partial<DatabaseOptions> = {}
): Database & { log: ReturnType<typeof recorder> } {
  const log = recorder()
  const database = open({
    url,
    poolSize: 3,
    recycleS: 3600,
    pooler: 'none',
    queryTimeoutMs: 5000,
    acquireTimeoutMs: 3000,
    connectTimeoutMs: 2000,
    log,
    ...options
  })
  t.teardown(() => database.close({ timeoutMs: 100 }))
  return { ...database, log }
}

/** The plain driver, for scenarios that it does not survive. Ended after the test, as far as possible. */
export function bareDriver (
  t: Pick<Test, 'teardown'>,
  url: string,
  options: postgres.Options<Record<string, never>> = {}
): postgres.Sql {
  const sql = postgres(url, { max: 3, onnotice () {}, ...options })
  t.teardown(() => Promise.race([sql.end({ timeout: 0 }), pause(200)]))
  return sql
}

/** The reason of a rejected promise; fails the test if it was not rejected. */
export async function rejection (promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('It was not rejected')
}

/** The kind of DatabaseError a promise was rejected with. */
export async function kindOf (promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise)
  if (error instanceof DatabaseError) return error.kind
  throw error
}

/** The value of a promise, or `'pending'` if it has not settled after `ms`. */
export async function within<T> (ms: number, promise: Promise<T>): Promise<T | 'pending'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'pending'>((resolve) => { timer = setTimeout(resolve, ms, 'pending') })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export function pause (ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until the condition is true; fails if it never is. */
export async function until (isSo: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error(`It never came so: ${isSo}`)
    await pause(10)
  }
}

/** Checks that no connection is in use, so that the pool has lost none. */
export function untilIdle (database: Database): Promise<void> {
  return until(() => {
    const { active, waiting, connecting } = database.stats()
    return active === 0 && waiting === 0 && connecting === 0
  })
}

/** The statements that run on the server under this application name, read over another connection. */
export async function running (admin: postgres.Sql, name: string): Promise<number[]> {
  const rows = await admin<
    Array<{ pid: number }>
  >`select pid from pg_stat_activity where state = 'active' and query like ${`/* ${name} */%`}`
  return rows.map(({ pid }) => pid)
}
