import { inject, type Service } from './service.ts'

/** Settings with which what waits for the database does so for as long as a test wants. */
export const PATIENT = { DATABASE_ACQUIRE_TIMEOUT: '600', DATABASE_QUERY_TIMEOUT: '600' }

/**
 * Makes a queue stand: every database connection is taken by a statement that does not end, and more wait. Resolves
 * when the service refuses new work; to be started with the settings of `PATIENT`. `release` ends all of them, and
 * resolves when the service takes work again.
 */
export async function holdQueue ({ app, database, config }: Service): Promise<{ release (): Promise<void> }> {
  const sql = database.forRequest({ log: app.logger })
  const held = Array.from({ length: config.database.poolSize + 1 }, async () => {
    await sql`/* hold */ select pg_sleep(600)`.catch(() => {})
  })
  const becomes = async (refuses: boolean) => {
    while ((await inject(app, { url: '/api/v1/plans' })).status === 503 !== refuses) {
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  }
  await becomes(true)
  return {
    async release () {
      sql.cancel('client_gone')
      await Promise.all(held)
      await becomes(false)
    }
  }
}
