import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { connectionLimit } from '../../src/transport/descriptors.ts'
import { ask, signUp } from '../harness/http-client.ts'
import { startProcess } from '../harness/service.ts'

t.setTimeout(480_000)

t.test('clients are given the descriptors that are left, up to a limit', async (t) => {
  t.equal(connectionLimit(20, Infinity), 10_000)
  t.equal(connectionLimit(20, 1_000_000), 10_000)
  t.equal(connectionLimit(20, 1024), 470)
  t.equal(connectionLimit(20, 64), 16)
  t.ok(connectionLimit(20) >= 16)
})

t.test(
  'with few descriptors and many idle connections it serves those it has, says so, and is well when they are gone',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const service = await startProcess(t, { HEALTH_CHECK_INTERVAL: '1' }, { descriptors: 256 })
    const { port } = service
    const headers = await signUp(port)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    const health = async () => JSON.parse((await ask(port, '/health', { agent })).text) as {
      status: string
      checks: { pool: { status: string, error: string } }
    }
    t.equal((await health()).status, 'healthy')

    const sockets: Socket[] = []
    t.teardown(() => { for (const socket of sockets) socket.destroy() })
    for (let n = 0; n < 300; n++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {}).resume()
      sockets.push(socket)
      await once(socket, 'connect')
    }
    const said = await service.line(({ error_code: code }) => code === 'TOO_MANY_CONNECTIONS')
    t.match(said, { level: 'WARNING', extra: { count: 1, limit: connectionLimit(20, 256) } })
    t.equal((await ask(port, '/api/v1/plans', { headers, agent })).status, 200)
    while ((await health()).status !== 'degraded') await ask(port, '/health/live', { agent })
    t.match((await health()).checks.pool, { status: 'degraded', error: /^all \d+ client connections are in use$/ })
    await service.line(({ message, status }) => message === 'health check failed' && status === 'degraded')
    const turnedAway = sockets.filter(({ closed }) => closed).length
    t.ok(turnedAway >= 300 - connectionLimit(20, 256), `${turnedAway} were turned away`)

    for (const socket of sockets) socket.destroy()
    while ((await health()).status !== 'healthy') await ask(port, '/health/live', { agent })
    t.equal((await ask(port, '/api/v1/plans', { headers })).status, 200, 'a new connection')
    t.match(await service.stop(), { code: 0 })
    t.equal(service.stderr(), '')
  }
)
