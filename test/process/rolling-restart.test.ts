import { EventEmitter, once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import t from 'tap'
import { createDatabase } from '../harness/database.ts'
import { ask, newPlan, signUp } from '../harness/http-client.ts'
import { ReadinessProxy } from '../harness/readiness-proxy.ts'
import { startProcess, type ServiceProcess } from '../harness/service.ts'

t.setTimeout(480_000)

const PROBE_MS = 50
/** Twenty probes: the proxy has seen it by then, also on a machine that does other things. */
const DRAIN_DELAY_S = '1'
const RESTARTS = 10
const CLIENTS = 4

t.test(
  'ten rolling restarts, one of two processes at a time, under keep-alive load: no request fails, and each 201 is stored once',
  async (t) => {
    const databaseUrl = await createDatabase(t)
    const env = {
      DATABASE_URL: databaseUrl,
      SHUTDOWN_DRAIN_DELAY: DRAIN_DELAY_S,
      JWT_SECRET: 'one secret for all of these processes',
      MAX_POOL_SIZE: '5'
    }
    const proxy = await ReadinessProxy.start(PROBE_MS)
    t.teardown(() => proxy.close())
    const serving = await Promise.all([startProcess(t, env), startProcess(t, env)])
    await Promise.all(serving.map(({ port }) => proxy.add(port)))

    const headers = await signUp(proxy.port)
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    const made: string[] = []
    const progress = new EventEmitter()
    const failed: string[] = []
    const over = new AbortController()
    const client = async (name: string) => {
      for (let n = 0; !over.signal.aborted; n++) {
        const plan = newPlan(`${name}-${n}`)
        const answer = await ask(proxy.port, '/api/v1/plans', { method: 'POST', headers, body: plan, agent }).catch(
          (error: unknown) => ({ status: 0, text: String(error) })
        )
        if (answer.status === 201) {
          made.push(plan.name)
          progress.emit('made')
        } else failed.push(`${plan.name}: ${answer.status} ${answer.text}`)
        await sleep(60)
      }
    }
    const load = Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(`client-${i}`)))

    const endings: Array<Promise<number | null>> = []
    let upcoming = startProcess(t, env)
    for (let restart = 0; restart < RESTARTS; restart++) {
      const replacement = await upcoming
      // The next one starts while this one takes over.
      if (restart + 1 < RESTARTS) upcoming = startProcess(t, env)
      await proxy.add(replacement.port)
      serving.push(replacement)
      const old = serving.shift() as ServiceProcess
      endings.push(
        once(old.child, 'exit').then(([code]) => {
          proxy.remove(old.port)
          return code as number | null
        })
      )
      old.child.kill('SIGTERM')
      await once(progress, 'made')
    }
    t.same(
      await Promise.all(endings),
      Array.from({ length: RESTARTS }, () => 0)
    )
    over.abort()
    await load

    t.same(failed, [])
    const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
    t.teardown(() => sql.end({ timeout: 5 }))
    const rows = await sql<Array<{ name: string }>>`select name from plans`
    t.same(rows.map(({ name }) => name).sort(), made.sort())
    t.comment(`${made.length} requests over ${RESTARTS} restarts`)
  }
)
