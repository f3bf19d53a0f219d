import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { findApiKeyAccess, touchApiKey } from '../db/api-keys.ts'
import type { Sql } from '../db/sql.ts'
import type { AccessTokens } from '../src/auth/access-tokens.ts'
import { API_KEY_PREFIX, readApiKey } from '../src/auth/api-keys.ts'
import { OidcIssuer, type IdentityToken, type OidcOptions } from '../src/auth/oidc.ts'
import { sameSecret } from '../src/auth/refresh-tokens.ts'
import { identitySubject, userSubject } from '../src/auth/revocations.ts'
import { VerifiedTokens, type VerifiedToken } from '../src/auth/verified-tokens.ts'
import { AppError } from '../src/errors.ts'

/** Who asks. */
export interface Caller {
  id: string
  /** The login the access token came from; none for an API key or an identity provider's token. */
  sessionId?: string | undefined
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
  interface FastifyContextConfig {
    /** For the person alone: no API key may, whatever its scopes. */
    personal?: boolean
  }
}

export interface AuthenticationOptions {
  accessTokens: AccessTokens
  /** The OpenID Connect provider whose tokens are good too. */
  oidc?: OidcOptions | undefined
  /**
   * The account of somebody the provider vouches for, made where there is none.
   * @throws AppError UNAUTHENTICATED where it was deleted after the token was issued
   */
  accountOf (sql: Sql, identity: IdentityToken): Promise<string>
  /** For what is written after the answer. */
  backgroundSql: Sql
}

const READS = new Set(['GET', 'HEAD'])

/** How long an API key is taken for a good one before it is looked up, in ms. */
const KNOWN_KEY_MS = 10 * 60_000
const MOST_KNOWN_KEYS = 10_000

/**
 * Knows who asks by the bearer token: an access token of ours, an API key, or a token of the identity provider. A
 * signed token seen before costs a look-up, and no promise; an API key is read from the database each time, so that one
 * deleted is refused at once everywhere.
 *
 * An address from which too many came that were not let in is refused before anybody else is asked, database or
 * provider. Whoever shares it and is signed in is not: our own tokens cost a hash to check, and API keys that were good
 * a moment ago are looked up all the same.
 */
export default fp<AuthenticationOptions>(
  async function authentication (app, { accessTokens, oidc, accountOf, backgroundSql }) {
    const issuer = oidc === undefined ? undefined : new OidcIssuer(oidc)
    const verified = new VerifiedTokens()
    const knownKeys = new KnownKeys()
    const touching = new Set<string>()
    app.decorateRequest('user', null as unknown as Caller)

    app.decorate('authenticate', function authenticate (request, reply, done) {
      // All that is answered from here on belongs to somebody; what has an ETag says otherwise of itself.
      reply.header('cache-control', 'no-store')
      const token = bearerToken(request)
      const known = token === undefined ? undefined : verified.get(token)
      if (known !== undefined && app.revocations.isFresh) {
        let problem: Error | undefined
        try {
          if (app.revocations.known.refuses(known)) refuse(request, reply)
          letIn(request, reply, known.userId, known.sessionId)
        } catch (error) {
          problem = error as Error
        }
        done(problem)
        return
      }
      identify(request, reply, token).then(() => done(), done)
    })

    async function identify (request: FastifyRequest, reply: FastifyReply, token: string | undefined): Promise<void> {
      if (token === undefined) {
        app.countStranger(request, reply)
        throw unauthenticated('A bearer token is needed')
      }
      if (token.startsWith(API_KEY_PREFIX)) {
        await useApiKey(request, reply, token)
        return
      }
      const found = verified.get(token) ?? (await verify(request, reply, token))
      if (found === undefined) return refuse(request, reply)
      if (!app.revocations.isFresh) await app.revocations.poll()
      if (app.revocations.known.refuses(found)) return refuse(request, reply)
      letIn(request, reply, found.userId, found.sessionId)
    }

    async function verify (
      request: FastifyRequest,
      reply: FastifyReply,
      token: string
    ): Promise<VerifiedToken | undefined> {
      const found = (await accessTokens.verify(token)) ?? (await verifyAtIssuer(request, reply, token))
      if (found !== undefined) verified.add(token, found)
      return found
    }

    async function verifyAtIssuer (
      request: FastifyRequest,
      reply: FastifyReply,
      token: string
    ): Promise<VerifiedToken | undefined> {
      app.refuseStranger(request, reply)
      const identity = await issuer?.verify(token)
      if (identity === undefined) return undefined
      const { issuedAtMs, expiresAtMs } = identity
      const revocable = { issuedAtMs, expiresAtMs, subjects: [identitySubject(identity.issuer, identity.subject)] }
      // Before an account is made: one deleted a moment ago must not come back by a token of before.
      if (!app.revocations.isFresh) await app.revocations.poll()
      if (app.revocations.known.refuses({ ...revocable, userId: '' })) return undefined
      const userId = await accountOf(request.sql, identity).catch(noneWhereUnauthenticated)
      if (userId === undefined) return undefined
      return { ...revocable, userId, subjects: [...revocable.subjects, userSubject(userId)] }
    }

    async function useApiKey (request: FastifyRequest, reply: FastifyReply, token: string): Promise<void> {
      const key = readApiKey(token)
      if (!knownKeys.has(token)) app.refuseStranger(request, reply)
      const access = key === undefined ? undefined : await findApiKeyAccess(request.sql, key.userId, key.tokenId)
      if (
        key === undefined ||
        access === undefined ||
        !sameSecret(access.secret_hash, key.secretHash) ||
        access.expired
      ) {
        knownKeys.delete(token)
        return refuse(request, reply)
      }
      knownKeys.add(token)
      letIn(request, reply, key.userId, undefined)
      if (!access.used_lately) touch(key.userId, key.tokenId)
      if (!access.can_write && !READS.has(request.method)) throw new AppError('FORBIDDEN', 'This API key may read only')
      if (request.routeOptions.config.personal === true) { throw new AppError('FORBIDDEN', 'No API key may do this: log in') }
    }

    /** Behind the answer, and not again while it is under way. */
    function touch (userId: string, keyId: string): void {
      if (touching.has(keyId)) return
      touching.add(keyId)
      touchApiKey(backgroundSql, userId, keyId)
        .catch((error: unknown) => app.logger.debug('the last use of an API key could not be noted', { error }))
        .finally(() => touching.delete(keyId))
    }

    function letIn (request: FastifyRequest, reply: FastifyReply, userId: string, sessionId: string | undefined): void {
      request.user = { id: userId, sessionId }
      request.exchange.user_id = userId
      app.countUser(userId, reply)
    }

    /** One answer for all that is wrong with a token. */
    function refuse (request: FastifyRequest, reply: FastifyReply): never {
      app.countStranger(request, reply)
      throw unauthenticated('The bearer token is not valid (any more)', 'invalid_token')
    }
  },
  {
    name: 'authentication',
    dependencies: ['request-context', 'error-envelope', 'database', 'rate-limit', 'revocations']
  }
)

/** API keys that were found good in the last minutes, by their hashes. Bounded: those used longest ago go first. */
class KnownKeys {
  readonly #untilMs = new Map<string, number>()

  has (key: string): boolean {
    return (this.#untilMs.get(digest(key)) ?? -Infinity) > performance.now()
  }

  add (key: string): void {
    const hash = digest(key)
    // Taken out first, so that it becomes the latest.
    this.#untilMs.delete(hash)
    if (this.#untilMs.size >= MOST_KNOWN_KEYS) this.#untilMs.delete(this.#untilMs.keys().next().value as string)
    this.#untilMs.set(hash, performance.now() + KNOWN_KEY_MS)
  }

  delete (key: string): void {
    this.#untilMs.delete(digest(key))
  }
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

/** A token of an account that was deleted is answered as any other that is good no more. */
function noneWhereUnauthenticated (error: unknown): undefined {
  if (error instanceof AppError && error.code === 'UNAUTHENTICATED') return undefined
  throw error
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
