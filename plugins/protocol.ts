import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import { errorAnswer } from '../src/http/error-response.ts'
import { noRoute } from '../src/http/exchange.ts'
import type { RequestInFlight } from '../src/http/in-flight.ts'
import { verdictOf } from '../src/http/verdict.ts'
import { silentLogger } from '../src/log/fastify-logger.ts'
import { closeConnection } from '../src/transport/close-connection.ts'
import { endConnection, rawAnswer } from '../src/transport/raw-answer.ts'
import { isUpgrading } from '../src/transport/upgrade-guard.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers a request that the HTTP parser refused: there is only its socket. */
    answerClientError (error: NodeJS.ErrnoException, socket: Socket): void
  }
}

/** The known parts of a request that the parser refused. */
interface Parts {
  method?: string | undefined
  path?: string | undefined
}

/** Within this time a peer that is gone has answered the first bytes with a reset. */
const RESET_MS = 25
const MAX_URL_BYTES = 8192
const METHODS = 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT'
const CONTINUE = /^\s*100-continue\s*$/i
/** What a form may have beside its file. */
const FORM_BYTES = 65_536

/**
 * Answers requests that Node by itself would answer before Fastify sees them, or not at all: malformed requests,
 * headers too large or too slow, expectations, CONNECT. Each gets the envelope, an id, the security headers, one log
 * line and one count, as any other request does.
 */
export default fp(async function protocol (app) {
  const unparsed = noRoute('unparsed')

  app.addHook('onRequest', function checkHead (request, reply, done) {
    const problem = problemOf(request.raw)
    if (problem?.code === 'EXPECTATION_FAILED') request.exchange.route = unparsed
    if (problem?.code === 'EXPECTATION_FAILED' || problem?.status !== undefined) closeConnection(reply)
    done(problem)
  })

  app.addHook('preParsing', function continueOrRefuse (request, reply, _payload, done) {
    if (request.raw.headers.expect === undefined || request.raw.httpVersionMinor === 0) {
      done()
      return
    }
    const limit = request.routeOptions.bodyLimit + (isForm(request.raw) ? FORM_BYTES : 0)
    if (Number(request.raw.headers['content-length'] ?? 0) > limit) {
      done(new AppError('PAYLOAD_TOO_LARGE', 'Request body is too large'))
    } else {
      reply.raw.writeContinue()
      done()
    }
  })

  // The latest request on a connection that was answered before all of it had come.
  const answeredEarly = new WeakMap<Socket, IncomingMessage>()
  app.onExchangeEnd((_ended, entry) => {
    if (entry?.request.raw.complete === false) answeredEarly.set(entry.request.raw.socket, entry.request.raw)
  })

  // Connections that got an error for what they sent. The parser reports an error of all that they still send.
  const told = new WeakSet<Duplex>()

  app.decorate('answerClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (told.has(socket) && error.code?.startsWith('HPE_') === true) return
    if (cannotAnswer(error, socket)) {
      socket.destroy()
      return
    }
    const pending = [...app.inFlight].filter(({ request }) => request.raw.socket === socket)
    const broken = pending.find(({ request }) => !request.raw.complete)
    if (isUpgrading(socket) && broken === undefined) {
      // Nothing that follows an upgrade is answered; its own answer, where that is still to come, ends the connection.
      if (pending.length === 0) socket.destroy()
      return
    }
    const refuse = broken === undefined
      ? () => { refuseSocket(socket, errorOf(error)) }
      : () => { refuseBroken(broken, socket, errorOf(error)) }
    // Answers to requests before it on the same connection go first, and whole.
    const before = pending.filter((entry) => entry !== broken).at(-1)
    if (before === undefined) refuse()
    else before.reply.raw.once('close', refuse)
  })

  /**
   * The client went away, or never sent a byte. Or it was answered, and only the rest of its body is malformed or late.
   */
  function cannotAnswer (error: NodeJS.ErrnoException, socket: Socket): boolean {
    return (
      error.code === 'ECONNRESET' ||
      !socket.writable ||
      socket.bytesRead === 0 ||
      answeredEarly.get(socket)?.complete === false
    )
  }

  /**
   * The body of a request under way is malformed, or broke off. A client that only ended its sending half can still
   * read an answer; one that is gone answers the first bytes of it with a reset, and has had none.
   */
  function refuseBroken (entry: RequestInFlight, socket: Socket, error: AppError): void {
    const { exchange, reply } = entry
    if (reply.raw.headersSent || entry.expired) {
      socket.destroySoon()
      return
    }
    entry.expired = true
    told.add(socket)
    reply.hijack()
    // Fastify would log that the answer of the body's reader came too late.
    reply.log = silentLogger
    const answer = errorAnswer(verdictOf(error), error)
    socket.on('error', () => socket.destroy())
    const text = rawAnswer(answer, exchange.request_id, app.securityHeaders())
    socket.write(text.slice(0, -1))
    // A reset is seen by the next write alone: the last byte waits for it.
    const settled = setTimeout(() => {
      socket.write(text.slice(-1), (failed) => {
        if (failed) return
        exchange.failure = answer.failure
        entry.rawStatus = answer.status
        endConnection(socket)
      })
    }, RESET_MS)
    socket.once('close', () => clearTimeout(settled))
  }

  app.server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    if (isUpgrading(socket)) return
    const error = new AppError('METHOD_NOT_ALLOWED', 'This server is not a proxy', { headers: { allow: METHODS } })
    refuseSocket(socket, error, { method: 'CONNECT', path: request.url ?? '' }, app.requestIdOf(request))
  })

  function refuseSocket (
    socket: Duplex,
    error: AppError,
    { method, path }: Parts = {},
    requestId: string = randomUUID()
  ): void {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    told.add(socket)
    const answer = errorAnswer(verdictOf(error), error)
    const { status, failure } = answer
    socket.on('error', () => socket.destroy())
    endConnection(socket, rawAnswer(answer, requestId, app.securityHeaders()))
    app.exchangeEnded({
      request_id: requestId,
      user_id: undefined,
      method,
      path,
      route: unparsed,
      status,
      durationMs: 0,
      failure,
      aborted: false,
      extra: undefined
    })
  }
}, { name: 'protocol', dependencies: ['request-context', 'security'] })

/** What is wrong with the head of a request that Node's parser took. */
function problemOf (raw: IncomingMessage): AppError | undefined {
  const { expect, 'transfer-encoding': encoding } = raw.headers
  const hosts = countOf('host', raw.rawHeaders)
  if (hosts === 0 && raw.httpVersionMinor !== 0) return new AppError('BAD_REQUEST', 'The Host header is missing')
  if (hosts > 1) return new AppError('BAD_REQUEST', 'There is more than one Host header')
  if ((raw.url as string).length > MAX_URL_BYTES) {
    return new AppError('URI_TOO_LONG', `The URL is longer than ${MAX_URL_BYTES} bytes`)
  }
  if (expect !== undefined && raw.httpVersionMinor !== 0 && !CONTINUE.test(expect)) {
    return new AppError('EXPECTATION_FAILED', 'No expectation but 100-continue can be met')
  }
  if (encoding !== undefined && raw.httpVersionMinor === 0) {
    return new AppError('BAD_REQUEST', 'HTTP/1.0 has no transfer encodings', { headers: { connection: 'close' } })
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
    return new AppError('BAD_REQUEST', 'No transfer encoding but chunked is implemented', { status: 501 })
  }
  return undefined
}

function isForm ({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('multipart/') === true
}

/** How many headers of that name were sent: of most Node keeps the first alone. */
function countOf (name: string, rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const sent = rawHeaders[i] as string
    if (sent.length === name.length && sent.toLowerCase() === name) count++
  }
  return count
}

/** The error to answer for what the parser reported. */
function errorOf (error: NodeJS.ErrnoException): AppError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW': return new AppError('HEADERS_TOO_LARGE', 'The headers are larger than 16 KiB')
    case 'ERR_HTTP_REQUEST_TIMEOUT': return new AppError('REQUEST_TIMEOUT', 'The request did not arrive in time')
    default: return new AppError('BAD_REQUEST', 'Malformed HTTP request', { cause: error })
  }
}
