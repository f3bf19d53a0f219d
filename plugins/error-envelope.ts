import { validateHeaderValue } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ErrorEnvelope } from '../schemas/error.ts'
import { AppError } from '../src/errors.ts'
import { errorAnswer, type Verdict } from '../src/http/error-response.ts'
import { property, TOO_SLOW, verdictOf } from '../src/http/verdict.ts'
import { exceptionText } from '../src/log/exception.ts'
import { silentLogger } from '../src/log/fastify-logger.ts'
import { closeConnection } from '../src/transport/close-connection.ts'
import { Response } from '../src/transport/response.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers a request that Fastify refuses before any hook has run: its URL cannot be decoded. */
    answerFrameworkError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void
    /**
     * Answers a request with an error before a handler, or a hook that sets headers, was called for it: past the reply,
     * at half the cost.
     */
    answerAtOnce (error: AppError, request: FastifyRequest, reply: FastifyReply): void
    /**
     * Answers a request whose handler is not done, because its time is up; what the handler answers later is dropped.
     */
    answerTooSlow (request: FastifyRequest, reply: FastifyReply): void
  }
}

export interface ErrorEnvelopeOptions {
  /** Whether the response to an unexpected error shows the exception: in development only. */
  showExceptions: boolean
}

const BODY_TYPE = new Set<unknown>(['FST_ERR_ROUTE_MISSING_CONTENT_TYPE', 'FST_ERR_CTP_INVALID_MEDIA_TYPE'])

/** Errors of a body, which Fastify may report before it knows whether the path exists. */
const OF_BODY = new Set<string>(['MALFORMED_JSON', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'])

/**
 * One envelope for everything from 400 up that reaches Fastify: handlers, validation, unknown routes, other methods.
 */
export default fp<ErrorEnvelopeOptions>(async function errorEnvelope (app, { showExceptions }) {
  app.addSchema(ErrorEnvelope)

  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const verdict = verdictOf(error)
    // Fastify reads the body before it reports an unknown route, and authenticates before it checks the method.
    if (
      (request.is404 && (BODY_TYPE.has(property(error, 'code')) || OF_BODY.has(verdict.code))) ||
      isOtherPath(error, verdict, request)
    ) {
      const reason = noRoute(request)
      answer(verdictOf(reason), reason, request, reply)
    } else answer(verdict, error, request, reply)
  })
  app.setNotFoundHandler((request) => { throw noRoute(request) })

  /** `GET /activities/import` is not an activity with a wrong id, but an existing path with another method. */
  function isOtherPath (error: unknown, { code }: Verdict, { method, exchange }: FastifyRequest): boolean {
    if (code !== 'UNAUTHENTICATED' && property(error, 'validationContext') !== 'params') return false
    return app.allowedMethods(exchange.path)?.split(', ').includes(method) === false
  }

  function noRoute (request: FastifyRequest): AppError {
    const allowed = app.allowedMethods(request.exchange.path)
    // The route has the method and found nothing itself, for example no such file.
    if (allowed === undefined || allowed.split(', ').includes(request.method)) {
      return new AppError('NOT_FOUND', 'There is nothing at this path')
    }
    return new AppError('METHOD_NOT_ALLOWED', `The methods of this path are ${allowed}`, { headers: { allow: allowed } })
  }

  app.decorate('answerFrameworkError', (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    app.beginExchange(request, reply)
    app.secure(request, reply)
    answer(verdictOf(error), error, request, reply)
  })

  app.decorate('answerAtOnce', (error: AppError, request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers, body, failure } = errorAnswer(verdictOf(error), error)
    request.exchange.failure = failure
    headers['x-request-id'] = request.id
    headers['content-length'] = String(Buffer.byteLength(body))
    if (reply.hasHeader('connection')) headers.connection = 'close'
    if (!(reply.raw instanceof Response)) Object.assign(headers, app.securityHeaders(request.headers.origin))
    reply.hijack()
    reply.raw.writeHead(status, headers)
    reply.raw.end(body)
  })

  app.decorate('answerTooSlow', (request: FastifyRequest, reply: FastifyReply) => {
    request.inFlight.expired = true
    answer(TOO_SLOW, new Error('The answer took longer than REQUEST_TIMEOUT'), request, reply)
    // Fastify would log that the handler's own answer came too late.
    reply.log = silentLogger
  })

  function answer (verdict: Verdict, cause: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const shown =
      showExceptions && verdict.code === 'INTERNAL_ERROR'
        ? { ...verdict, details: { exception: exceptionText(cause) } }
        : verdict
    const { status, headers, body, failure } = errorAnswer(shown, cause)
    request.exchange.failure = failure
    dropInvalidHeaders(reply)
    // The rest of a body that was partly read would be taken for the next request, or delay it.
    if (!request.raw.complete && request.raw.readableDidRead) closeConnection(reply)
    // The handler set these for its own answer.
    for (const name of [
      'content-length',
      'content-encoding',
      'content-disposition',
      'etag',
      'last-modified',
      'location',
      'accept-ranges'
    ]) { reply.removeHeader(name) }
    reply.code(status).headers(headers).send(body)
  }
}, { name: 'error-envelope', dependencies: ['request-context', 'security', 'allowed-methods'] })

/** A header Node would refuse to send costs its response all the others, so that it goes first. */
function dropInvalidHeaders (reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    try {
      for (const one of [value].flat()) validateHeaderValue(name, String(one))
    } catch {
      reply.removeHeader(name)
    }
  }
}
