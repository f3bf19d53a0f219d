import fp from 'fastify-plugin'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { AccessTokens } from '../src/auth/access-tokens.ts'
import { AppError } from '../src/errors.ts'

/** Who asks. */
export interface Caller {
  id: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; only in the signed-in scope. */
    user: Caller
  }
  interface FastifyInstance {
    /** The hook that lets in who is signed in, and nobody else. */
    authenticate: onRequestHookHandler
  }
}

export interface AuthenticationOptions {
  accessTokens: AccessTokens
}

/** Knows who asks by the bearer token; a token seen before costs a look-up, and no promise. */
export default fp<AuthenticationOptions>(async function authentication (app, { accessTokens }) {
  app.decorateRequest('user', null as unknown as Caller)

  app.decorate('authenticate', function authenticate (request, _reply, done) {
    const token = bearerToken(request)
    if (token === undefined) {
      done(unauthenticated('A bearer token is needed'))
      return
    }
    const known = accessTokens.remembered(token)
    if (known !== undefined) {
      letIn(request, known.userId)
      done()
      return
    }
    accessTokens.verify(token).then((checked) => {
      if (checked === undefined) throw unauthenticated('The bearer token is not valid (any more)', 'invalid_token')
      letIn(request, checked.userId)
      done()
    }).catch(done)
  })
}, { name: 'authentication', dependencies: ['request-context', 'error-envelope'] })

function letIn (request: FastifyRequest, userId: string): void {
  request.user = { id: userId }
  request.exchange.user_id = userId
}

function bearerToken (request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  if (authorization === undefined) return undefined
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization)?.[1] ?? ''
}

function unauthenticated (message: string, error?: string): AppError {
  const challenge = `Bearer realm="running-trainer"${error === undefined ? '' : `, error="${error}"`}`
  return new AppError('UNAUTHENTICATED', message, { headers: { 'www-authenticate': challenge } })
}
