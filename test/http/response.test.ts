import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { commonHeaders, Response } from '../../src/transport/response.ts'
import { exchange, type RawAnswer } from '../harness/raw-http.ts'

const COMMON = commonHeaders({ 'x-frame-options': 'DENY', 'x-odd': 'x-frame-options', 'cache-control': 'no-store' })

type Listener = (response: Response, request: IncomingMessage) => void

/** What a server of these responses says to requests in line on one connection, the last of which closes it. */
async function answersOf (t: Test, listener: Listener, requests: string[]): Promise<RawAnswer[]> {
  const server = createServer({ ServerResponse: Response }, (request, response) => {
    response.common = COMMON
    listener(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  return await exchange(
    port,
    requests
      .map(
        (first, i) => `${first} HTTP/1.1\r\nHost: x\r\n${i === requests.length - 1 ? 'Connection: close\r\n' : ''}\r\n`
      )
      .join('')
  )
}

function answer (response: Response, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(200, { ...headers, 'content-length': String(Buffer.byteLength(text)) })
  response.end(text, null, null as never)
}

t.test('a text arrives as UTF-8, whatever is in it', async (t) => {
  const texts = ['', 'plain', 'naïve', '距離', '🏃', 'a'.repeat(100_000), `${'a'.repeat(70_000)}é`]
  const answers = await answersOf(
    t,
    (response, { url }) => answer(response, texts[Number(url?.slice(1))] as string),
    texts.map((_text, i) => `GET /${i}`)
  )
  t.same(answers.map(({ body }) => body), texts)
  t.same(answers.map(({ headers }) => Number(headers['content-length'])), texts.map((text) => Buffer.byteLength(text)))
})

t.test('as many as are answered in one turn come whole and in their order', async (t) => {
  const waiting: Array<() => void> = []
  const answers = await answersOf(t, (response, { url }) => {
    waiting.push(() => answer(response, `to ${url ?? ''}`))
    if (waiting.length === 50) for (const go of waiting.reverse()) go()
  }, Array.from({ length: 50 }, (_, i) => `GET /${i}`))
  t.same(answers.map(({ body }) => body), Array.from({ length: 50 }, (_, i) => `to /${i}`))
})

t.test('headers in common are on each response, and give way to its own', async (t) => {
  const [plain, own, none, listed] = await answersOf(t, (response, { url }) => {
    switch (url) {
      case '/own':
        return answer(response, 'own', { 'x-frame-options': 'SAMEORIGIN', etag: '"1"' })
      case '/none':
        response.writeHead(204, {})
        return response.end()
      case '/listed':
        response.writeHead(200, 'Fine', { 'content-length': '2', 'x-own': '1' })
        return response.end('ok')
      default:
        return answer(response, 'plain')
    }
  }, ['GET /plain', 'GET /own', 'GET /none', 'GET /listed'])
  t.match(plain?.headers, { 'x-frame-options': 'DENY', 'x-odd': 'x-frame-options', 'cache-control': 'no-store' })
  t.match(own?.headers, {
    'x-frame-options': 'SAMEORIGIN',
    'x-odd': 'x-frame-options',
    'cache-control': 'no-store',
    etag: '"1"'
  })
  t.match(none, { status: 204, headers: { 'x-frame-options': 'DENY' }, body: '' })
  t.match(listed, { status: 200, headers: { 'x-own': '1', 'x-frame-options': 'DENY' }, body: 'ok' })
})

t.test('an answer to HEAD has the length of its body, and none', async (t) => {
  const [head, next] = await answersOf(t, (response) => answer(response, 'four'), ['HEAD /', 'GET /'])
  t.match(head, { status: 200, headers: { 'content-length': '4' } })
  t.equal(next?.body, 'four')
})

t.test('once it has ended nothing can be added, also before it is on its way', async (t) => {
  const ended: boolean[] = []
  const [only] = await answersOf(t, (response) => {
    response.on('error', () => {})
    ended.push(response.writableEnded)
    answer(response, 'first')
    ended.push(response.writableEnded)
    response.end('second')
  }, ['GET /'])
  t.same(ended, [false, true])
  t.equal(only?.body, 'first')
})

t.test('what is streamed is sent as it comes, with the same headers', async (t) => {
  const [named, set] = await answersOf(t, (response, { url }) => {
    if (url === '/named') response.writeHead(200, { 'content-type': 'text/plain' })
    else response.setHeader('x-frame-options', 'SAMEORIGIN')
    response.write('one ')
    response.end('two')
  }, ['GET /named', 'GET /set'])
  t.match(named, {
    body: 'one two',
    headers: { 'content-type': 'text/plain', 'x-frame-options': 'DENY', 'cache-control': 'no-store' }
  })
  t.match(set, {
    body: 'one two',
    headers: { 'x-frame-options': 'SAMEORIGIN', 'x-odd': 'x-frame-options', 'cache-control': 'no-store' }
  })
})
