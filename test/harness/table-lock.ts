import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import type { Ending } from './service.ts'

/** An exclusive lock on a table. */
export interface TableLock {
  /** Resolves when this many statements of other connections wait for it; rejects after 20 s. */
  awaited (count?: number): Promise<void>
  release (): Promise<void>
}

/** Locks a table exclusively; the lock is released when the test ends. */
export async function lockTable (t: Ending, databaseUrl: string, table: string): Promise<TableLock> {
  const sql = postgres(databaseUrl, { max: 2, fetch_types: false, onnotice: () => {} })
  let free = () => {}
  const freed = new Promise<void>((resolve) => { free = resolve })
  let holding: Promise<unknown> = Promise.resolve()
  await new Promise<void>((resolve, reject) => {
    holding = sql.begin(async (sql) => {
      await sql`lock table ${sql(table)} in access exclusive mode`
      resolve()
      await freed
    })
    holding.catch(reject)
  })
  const release = async () => {
    free()
    await holding
    await sql.end({ timeout: 5 })
  }
  t.teardown(release)
  return {
    release,
    async awaited (count = 1) {
      const patience = AbortSignal.timeout(20_000)
      for (;;) {
        const [row] =
          await sql`select count(*)::int as waiting from pg_locks where not granted and relation = ${table}::regclass`
        if (row?.waiting as number >= count) return
        if (patience.aborted) throw new Error(`${row?.waiting as number} wait for ${table}, not ${count}`)
        await sleep(10)
      }
    }
  }
}
