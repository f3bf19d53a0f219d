import { CORES } from './cores.mjs'
import { openDatabase, seed } from './database.mjs'
import { signUp, startService } from './service.mjs'

/** A database, the service on it, and runners who are signed in to it among all the others. */
export async function openFixture ({ runners = 1000, plans = 100_000, signedIn = 50, env, node, cores = CORES } = {}) {
  const database = await openDatabase({ cores: cores.database })
  try {
    const start = async () => await startService({ databaseUrl: database.url, cores: cores.server, env, node })
    let service = await start()
    const known = await signUp(service, signedIn)
    await seed(database.sql, { runners, plans, known })
    const planIds = new Map(known.map(({ id }) => [id, []]))
    for (const {
      user_id,
      plan_id
    } of await database.sql`select user_id, plan_id from plans where user_id in ${database.sql([...planIds.keys()])}`) { planIds.get(user_id).push(plan_id) }
    return {
      database,
      get service () { return service },
      given: { runners: known, planIds },
      /** Another process, for whom the runners stay signed in. */
      async restart () {
        await service.stop()
        service = await start()
      },
      async close () {
        await service.stop()
        await database.close()
      }
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
