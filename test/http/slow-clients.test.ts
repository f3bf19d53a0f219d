import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { flawOf } from '../harness/books.ts'
import { ask, signUp } from '../harness/http-client.ts'
import { answersIn } from '../harness/raw-http.ts'
import { startProcess } from '../harness/service.ts'

t.setTimeout(480_000)

const STALLED = 1000
const REQUESTS = 300
/** As long as the headers of a request may take here, and all of it. */
const TIMEOUT_S = 8

interface Stalled { socket: Socket, text: string, closed: Promise<unknown> }

/** A client that says half of something, and then nothing. */
async function stall (port: number, half: string): Promise<Stalled> {
  const socket = connect(port, '127.0.0.1')
  const stalled: Stalled = { socket, text: '', closed: once(socket, 'close') }
  socket.on('error', () => {})
  socket.setEncoding('latin1').on('data', (chunk: string) => { stalled.text += chunk })
  await once(socket, 'connect')
  socket.write(half)
  return stalled
}

const HALVES: Array<[what: string, half: string]> = [
  ['headers', 'GET /api/v1/plans HTTP/1.1\r\nHost: x\r\nX-Slow: '],
  [
    'bodies',
    'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"em'
  ]
]

for (const [what, half] of HALVES) {
  t.test(
    `${STALLED} clients whose ${what} never end keep nobody else from being answered, and are cut off with 408`,
    async (t) => {
      const service = await startProcess(t, { REQUEST_TIMEOUT: String(TIMEOUT_S) })
      const { port } = service
      const headers = await signUp(port)
      const stalled: Stalled[] = []
      for (let n = 0; n < STALLED; n += 100) {
        stalled.push(...(await Promise.all(Array.from({ length: 100 }, () => stall(port, half)))))
      }
      t.teardown(() => {
        for (const { socket } of stalled) socket.destroy()
      })

      const agent = new Agent({ keepAlive: true })
      t.teardown(() => agent.destroy())
      const statuses: number[] = []
      const tookMs: number[] = []
      for (let n = 0; n < REQUESTS; n++) {
        const began = performance.now()
        const { status } = await ask(port, '/api/v1/plans?limit=1', { headers, agent })
        tookMs.push(performance.now() - began)
        statuses.push(status)
      }
      const still = stalled.filter(({ socket }) => !socket.closed).length
      const quantile = (q: number) => [...tookMs].sort((a, b) => a - b)[Math.floor(q * tookMs.length)]?.toFixed(1)
      t.comment(`beside ${still} of ${STALLED} stalled ${what}: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`)
      // A machine that has much else to do may make the service shed for a moment, and say so: stalled clients alone
      // never take it from everybody.
      t.same(
        statuses.filter((status) => status !== 200 && status !== 503),
        [],
        'everybody else is answered'
      )
      t.ok(statuses.filter((status) => status === 200).length >= statuses.length / 2, 'and served')

      await Promise.all(stalled.map(({ closed }) => closed))
      const answers = stalled.flatMap(({ text }) => answersIn(text))
      t.equal(answers.length, STALLED, 'each is answered once, also a request that was shed before the rest of it had come')
      t.ok(stalled.every(({ text }) => answersIn(text).length === 1))
      const told = new Set(answers.map(({ status, body }) => `${status} ${JSON.parse(body).error_code as string}`))
      t.ok(told.delete('408 REQUEST_TIMEOUT'))
      // On a machine with much else to do some are shed before their time is up.
      told.delete('503 SERVICE_UNAVAILABLE')
      t.same([...told], [])
      t.same(
        answers.map(flawOf).filter((flaw) => flaw !== undefined),
        []
      )
      t.equal((await ask(port, '/api/v1/plans?limit=1', { headers, agent })).status, 200)
    }
  )
}
