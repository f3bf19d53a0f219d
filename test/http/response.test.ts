import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import fastify from 'fastify'
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
  response.end(text)
}

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

t.test('Fastify and Node send the headers of a reply as this response expects', async (t) => {
  const missing = 'the response lost its common headers: see src/transport/response.ts for what it leans on'
  const app = fastify({ serverFactory: (handle) => createServer({ ServerResponse: Response }, handle) })
  const calls: string[] = []
  app.addHook('onRequest', async (_request, { raw }) => {
    const { writeHead } = raw
    raw.writeHead = function (this: typeof raw, ...args: any[]) {
      calls.push(args.map((arg) => typeof arg).join())
      return writeHead.apply(this, args as never)
    } as never
    ;(raw as Response).common = COMMON
  })
  app.get('/text', async () => 'text')
  app.get('/stream', (_request, reply) => reply.send(Readable.from(['stream'])))
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  for (const [path, call] of [['/text', 'number,object'], ['/stream', 'number']] as const) {
    const [answer] = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.match(answer, { status: 200, body: path.slice(1), headers: { 'x-frame-options': 'DENY' } }, missing)
    t.same(calls.splice(0), [call], missing)
  }
})

t.test('an answer to HEAD has the length of its body, and none', async (t) => {
  const [head, next] = await answersOf(t, (response) => answer(response, 'four'), ['HEAD /', 'GET /'])
  t.match(head, { status: 200, headers: { 'content-length': '4' } })
  t.equal(next?.body, 'four')
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
