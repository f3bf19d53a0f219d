import { STATUS_CODES, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import { errorAnswer, type ErrorAnswer } from '../src/http/error-response.ts'
import { Exchange, pathOf, type RouteHandle } from '../src/http/exchange.ts'
import { sendHeld } from '../src/transport/together.ts'
import { verdictOf } from '../src/http/verdict.ts'
import { WatchedConnection } from '../src/transport/watched-connection.ts'
import { randomId } from '../src/ids.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers what the HTTP parser refused: there is no request, only a socket. */
    answerClientError (error: NodeJS.ErrnoException, socket: Socket): void
  }
}

/** What is known of what was asked. */
interface Parts {
  method?: string | undefined
  path?: string | undefined
}

/**
 * How long a client that was told off may go on sending before its connection is cut, so that it can read what it was
 * told.
 */
const LINGER_MS = 1000
/** Within this time a peer that is gone has answered the first bytes with a reset. */
const RESET_MS = 25
const MAX_URL_BYTES = 8192
const METHODS = 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT'

/**
 * Answers what Node would answer itself before Fastify sees it, or not at all: bytes that are no HTTP, headers too
 * large or too slow, expectations, CONNECT. Each gets the envelope, an id, the security headers, one log line and one
 * count, as any other request does.
 */
export default fp(async function protocol (app) {
  // Node's parser stops at an upgrade it was offered, also where nobody takes it. Of the bytes at hand it loses what
  // follows, and takes the next to come for a request of their own, though they may be the body of one that was lost.
  // Before all that answers, as some do so before the first hook. Around the listener and not beside it: of two Node
  // copies the list for each request. (0.2 µs of 17.)
  const [answer] = app.server.listeners('request') as [RequestListener]
  app.server.removeListener('request', answer)
  app.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.upgrade !== undefined) {
      response.shouldKeepAlive = false
      WatchedConnection.readNoMoreAfter(request)
    }
    answer(request, response)
  })

  app.addHook('onRequest', function sound ({ raw }, _reply, done) {
    const hosts = countOf('host', raw.rawHeaders)
    if (hosts === 0 && raw.httpVersionMinor !== 0) done(new AppError('BAD_REQUEST', 'The Host header is missing'))
    else if (hosts > 1) done(new AppError('BAD_REQUEST', 'There is more than one Host header'))
    else if ((raw.url as string).length > MAX_URL_BYTES) { done(new AppError('URI_TOO_LONG', `The URL is longer than ${MAX_URL_BYTES} bytes`)) } else done()
  })

  // The latest request on a connection that was answered before all of it had come.
  const answeredEarly = new WeakMap<Socket, IncomingMessage>()
  app.onExchangeEnd((ended) => {
    if (ended instanceof Exchange && ended.request.raw.complete === false) {
      answeredEarly.set(ended.request.raw.socket, ended.request.raw)
    }
  })

  // Those told by `refuseSocket` or `refuseBroken` that they are not understood. The parser says so again of all they
  // still send.
  const told = new WeakSet<Duplex>()
  const unparsed: RouteHandle = {
    method: '_OTHER',
    pattern: 'unparsed',
    quiet: false,
    secretPath: false,
    speaker: 'app.request'
  }

  app.decorate('answerClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && WatchedConnection.stays(socket, app.server.keepAliveTimeout)) { return }
    if (told.has(socket) && error.code?.startsWith('HPE_') === true) return
    sendHeld()
    // Nobody is there to answer: the client went away, or never said a thing. Or it was answered, and only the rest of
    // its body is not right or late.
    if (
      error.code === 'ECONNRESET' ||
      !socket.writable ||
      socket.bytesRead === 0 ||
      answeredEarly.get(socket)?.complete === false
    ) {
      socket.destroy()
      return
    }
    const pending = [...app.inFlight].filter(({ request }) => request.raw.socket === socket)
    const broken = pending.find(({ request }) => !request.raw.complete)
    const refuse = broken === undefined
      ? () => { refuseSocket(socket, refusalOf(error)) }
      : () => { refuseBroken(broken, socket, refusalOf(error)) }
    // Answers to requests before it on the same connection go first, and whole.
    const before = pending.filter((exchange) => exchange !== broken).at(-1)
    if (before === undefined) refuse()
    else before.reply.raw.once('close', refuse)
  })

  /**
   * It is the body of a request under way that is not right, or broke off. Whoever only ended the sending half can
   * still read an answer; whoever is gone answers the first bytes of it with a reset, and has had none.
   */
  function refuseBroken (exchange: Exchange, socket: Socket, error: AppError): void {
    if (exchange.reply.raw.headersSent || exchange.expired) {
      socket.destroySoon()
      return
    }
    exchange.expired = true
    told.add(socket)
    exchange.reply.hijack()
    // What the reader of the body has to say comes too late, and is no news.
    exchange.reply.log = app.log
    const answer = errorAnswer(verdictOf(error), error)
    const gone = () => socket.destroy()
    socket.on('error', gone)
    const text = rawAnswer(answer, exchange.request_id)
    socket.write(text.slice(0, -1))
    // A reset is seen by the next write alone: the last byte waits for it.
    const settled = setTimeout(() => {
      socket.write(text.slice(-1), (failed) => {
        if (failed) return
        exchange.failure = answer.failure
        exchange.refusedWith = answer.status
        linger(socket)
        socket.end()
      })
    }, RESET_MS)
    socket.once('close', () => clearTimeout(settled))
  }

  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const started = performance.now()
    const error = new AppError('EXPECTATION_FAILED', 'No expectation but 100-continue can be met')
    const answer = errorAnswer(verdictOf(error), error)
    const requestId = app.requestIdOf(request)
    response.once('close', () => {
      const parts = {
        method: request.method ?? '_OTHER',
        path: pathOf(request.url ?? ''),
        aborted: !response.writableFinished
      }
      end(answer, requestId, parts, performance.now() - started)
    })
    response.writeHead(answer.status, { ...headersOf(answer, requestId), connection: 'close' })
    response.end(answer.body)
  })

  app.server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const error = new AppError('METHOD_NOT_ALLOWED', 'This is no proxy', { headers: { allow: METHODS } })
    refuseSocket(socket, error, { method: 'CONNECT', path: request.url ?? '' }, app.requestIdOf(request))
  })

  function refuseSocket (
    socket: Duplex,
    error: AppError,
    { method, path }: Parts = {},
    requestId: string = randomId()
  ): void {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    told.add(socket)
    const answer = errorAnswer(verdictOf(error), error)
    socket.on('error', () => socket.destroy())
    socket.end(rawAnswer(answer, requestId))
    end(answer, requestId, { method, path, aborted: false }, 0)
    linger(socket)
  }

  function rawAnswer (answer: ErrorAnswer, requestId: string): string {
    const head = Object.entries({ ...headersOf(answer, requestId), connection: 'close' })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    return `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\ndate: ${new Date().toUTCString()}\r\n${head}\r\n${answer.body}`
  }

  function headersOf (answer: ErrorAnswer, requestId: string): Record<string, string> {
    return {
      ...app.securityHeaders(),
      ...answer.headers,
      'x-request-id': requestId,
      'content-length': String(Buffer.byteLength(answer.body))
    }
  }

  function end (
    { status, failure }: ErrorAnswer,
    requestId: string,
    { method, path, aborted }: Parts & { aborted: boolean },
    durationMs: number
  ): void {
    app.exchangeEnded({
      request_id: requestId,
      user_id: undefined,
      method,
      path,
      route: unparsed,
      status: aborted ? 499 : status,
      durationMs,
      failure,
      aborted,
      extra: undefined
    })
  }
}, { name: 'protocol', dependencies: ['request-context', 'security', 'error-envelope'] })

/** How many headers of that name were sent: of most Node keeps the first alone. */
function countOf (name: string, rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const sent = rawHeaders[i] as string
    if (sent.length === name.length && sent.toLowerCase() === name) count++
  }
  return count
}

/**
 * Closed with bytes unread, a socket resets, and the answer may be lost on its way: what still comes is read and thrown
 * away for a while.
 */
function linger (socket: Duplex): void {
  socket.resume()
  const cut = setTimeout(() => socket.destroy(), LINGER_MS)
  cut.unref()
  socket.once('close', () => clearTimeout(cut))
}

/** What the parser's complaint means for whoever sent it. */
function refusalOf (error: NodeJS.ErrnoException): AppError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW': return new AppError('HEADERS_TOO_LARGE', 'The headers are larger than 16 KiB')
    case 'ERR_HTTP_REQUEST_TIMEOUT': return new AppError('REQUEST_TIMEOUT', 'The request did not arrive in time')
    default: return new AppError('BAD_REQUEST', 'This is not HTTP as it should be', { cause: error })
  }
}
