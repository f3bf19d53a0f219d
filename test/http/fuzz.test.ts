import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { flawOf, openBooks } from '../harness/books.ts'
import { holdQueue, PATIENT } from '../harness/held-queue.ts'
import { newPlan } from '../harness/http-client.ts'
import { answersIn, type RawAnswer } from '../harness/raw-http.ts'
import { startService } from '../harness/service.ts'
import { corpus, random } from '../harness/fuzz-corpus.ts'

t.setTimeout(480_000)

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_105)
const SOCKETS = 48
/** What ends a connection where nothing before it did. */
const LAST = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
/** A 5xx that says the service is busy is meant, and so is 501, for a transfer encoding that is not implemented. */
const MEANT = ['SERVICE_UNAVAILABLE', 'REQUEST_TIMEOUT']

const rejections: unknown[] = []
process.on('unhandledRejection', (reason) => rejections.push(reason))

const service = await startService(t, { env: { REQUEST_TIMEOUT: '2', ...PATIENT } })
await service.app.listen({ port: 0, host: '127.0.0.1' })
const { port } = service.app.server.address() as { port: number }

/**
 * After so long it is said again: what came before may have taken it for the end of its body. Longer than
 * REQUEST_TIMEOUT.
 */
const AGAIN_MS = 4000
/** How long a connection may stay open at the most. */
const PATIENCE_MS = 30_000

/**
 * All that one connection is answered; destroyed, with a mark at the end that no answer is, where the service keeps it
 * open.
 */
async function send (bytes: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  const again = setInterval(() => { if (socket.writable) socket.write(LAST) }, AGAIN_MS)
  const patience = setTimeout(() => {
    chunks.push(Buffer.from('KEPT OPEN'))
    socket.destroy()
  }, PATIENCE_MS)
  socket.write(bytes)
  socket.write(LAST)
  await closed
  clearInterval(again)
  clearTimeout(patience)
  return Buffer.concat(chunks).toString('latin1')
}

t.test(
  `whatever is sent, what comes back from 400 up is the envelope with its headers, nothing fails that should not, and the books balance (FUZZ_SEED=${SEED})`,
  async (t) => {
    await fuzz(t, SEED, [200, 201, 400, 401, 404, 405, 408, 413, 414, 415, 417, 422, 431])
  }
)

t.test(`the same where a queue stands and new work is refused (FUZZ_SEED=${SEED})`, async (t) => {
  await fuzz(t, SEED, [200, 400, 404, 405, 414, 417, 431, 503], async () => await holdQueue(service))
})

/** `crowd` keeps the service busy until it is released. */
async function fuzz (
  t: Test,
  seed: number,
  expected: number[],
  crowd = async () => ({ release: async () => {} })
): Promise<void> {
  const ann = await service.runner()
  const plan = await ann.call('POST', '/plans', newPlan('to be changed'))
  const inputs = corpus(random(seed), { token: ann.access_token, planId: plan.body.id as string })
  t.ok(inputs.length >= 2000, `${inputs.length} inputs`)
  const { release } = await crowd()
  const books = await openBooks(service)

  const statuses = new Map<number, number>()
  const flaws: string[] = []
  let answered = 0
  const look = (kind: string, bytes: Buffer, text: string) => {
    const complain = (flaw: string, answer?: RawAnswer) => {
      flaws.push(
        `${kind}: ${flaw}; sent ${JSON.stringify(bytes.toString('latin1').replaceAll(ann.access_token, 'TOKEN').slice(0, 1000))}; answered ${answer === undefined ? JSON.stringify(text.slice(-500)) : `${answer.status} ${answer.body.slice(0, 300)}`}`
      )
    }
    try {
      for (const answer of answersIn(text)) {
        answered++
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const flaw = flawOf(answer)
        if (flaw !== undefined) complain(flaw, answer)
        if (answer.status >= 500 && !isMeant(answer)) complain('a failure that is not meant', answer)
      }
    } catch (error) {
      complain(String(error))
    }
  }
  const left = [...inputs].reverse()
  const began = performance.now()
  await Promise.all(Array.from({ length: SOCKETS }, async () => {
    for (let input = left.pop(); input !== undefined; input = left.pop()) {
      look(input.kind, input.bytes, await send(input.bytes))
    }
  }))
  t.comment(
    `${inputs.length} inputs, ${answered} answers in ${Math.round(performance.now() - began)} ms: ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`
  )
  t.same(flaws.slice(0, 10), [])
  for (const status of expected) t.ok(statuses.has(status), `the inputs lead to ${status}`)
  await books.balance(t, answered)
  await release()
  t.same(rejections, [])
  const wrong = service.lines.filter(
    ({ level, error_code: code, status_code: status }) =>
      level === 'CRITICAL' || (level === 'ERROR' && !MEANT.includes(String(code)) && status !== 501)
  )
  t.same(wrong.slice(0, 5), [], 'no line tells of a failure')
}

function isMeant ({ status, body, headers }: RawAnswer): boolean {
  if (status === 501) return body === '' || (JSON.parse(body) as { error_code: string }).error_code === 'BAD_REQUEST'
  if (status !== 503 || headers['retry-after'] === undefined) { return headers['content-type']?.startsWith('application/json') === true && body.includes('"not_ready"') }
  return body === '' || MEANT.includes((JSON.parse(body) as { error_code: string }).error_code)
}

t.test('afterwards it serves as before', async (t) => {
  const ben = await service.runner()
  t.equal((await ben.call('POST', '/plans', newPlan('after all this'))).status, 201)
})
