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

/** The authenticated user of a request. */
export interface Caller {
  id: string
  /** The session of the access token; none for an API key or a token of the identity provider. */
  sessionId?: string | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated user; set in the signed-in scope only. */
    user: Caller
  }
  interface FastifyInstance {
    /** The hook that authenticates a request, or refuses it with 401. */
    authenticate: onRequestHookHandler
  }
  interface FastifyContextConfig {
    /** Closed to API keys, whatever their scopes. */
    personal?: boolean
  }
}

export interface AuthenticationOptions {
  accessTokens: AccessTokens
  /** The OpenID Connect provider whose tokens are accepted too. */
  oidc?: OidcOptions | undefined
  /**
   * The account of an identity of the provider; created if there is none.
   * @throws AppError UNAUTHENTICATED if the account was deleted after the token was issued
   */
  accountOf (sql: Sql, identity: IdentityToken): Promise<string>
  /** For what is written after the answer. */
  backgroundSql: Sql
}

const READS = new Set(['GET', 'HEAD'])

/** How long an API key that was valid bypasses the limit of its address, in ms. */
const KNOWN_KEY_MS = 10 * 60_000
const MOST_KNOWN_KEYS = 10_000

/**
 * Authenticates requests by their bearer token: an access token of ours, an API key, or a token of the identity
 * provider. A signed token that was verified before costs one look-up in memory and no promise; an API key is read from
 * the database each time, so that a deleted one is refused at once by every instance.
 *
 * An address with too many failed requests is refused before the database or the provider is asked. Signed-in users
 * behind the same address are still served: our own tokens cost one hash to verify, and API keys that were valid a
 * moment ago are looked up all the same.
 */
export default fp<AuthenticationOptions>(
  async function authentication (app, { accessTokens, oidc, accountOf, backgroundSql }) {
    const issuer = oidc === undefined ? undefined : new OidcIssuer(oidc)
    const verified = new VerifiedTokens()
    const knownKeys = new KnownKeys()
    const touching = new Set<string>()
    app.decorateRequest('user', null as unknown as Caller)

    app.decorate('authenticate', function authenticate (request, reply, done) {
      // From here on, responses are personal; those with an ETag set a header of their own.
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
        throw unauthenticated('A bearer token is required')
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
      // Checked before an account is created: an old token must not bring back one that was just deleted.
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
      if (!access.can_write && !READS.has(request.method)) throw new AppError('FORBIDDEN', 'This API key is read-only')
      if (request.routeOptions.config.personal === true) {
        throw new AppError('FORBIDDEN', 'API keys are not allowed to do this: log in instead')
      }
    }

    /** Records the use of a key without delaying the response, once at a time for each key. */
    function touch (userId: string, keyId: string): void {
      if (touching.has(keyId)) return
      touching.add(keyId)
      touchApiKey(backgroundSql, userId, keyId)
        .catch((error: unknown) => app.logger.debug('the last use of an API key could not be recorded', { error }))
        .finally(() => touching.delete(keyId))
    }

    function letIn (request: FastifyRequest, reply: FastifyReply, userId: string, sessionId: string | undefined): void {
      request.user = { id: userId, sessionId }
      request.exchange.user_id = userId
      app.countUser(userId, reply)
    }

    /** The same response for every reason to refuse a token. */
    function refuse (request: FastifyRequest, reply: FastifyReply): never {
      app.countStranger(request, reply)
      throw unauthenticated('The bearer token is invalid or expired', 'invalid_token')
    }
  },
  {
    name: 'authentication',
    dependencies: ['request-context', 'logging', 'database', 'rate-limit', 'revocations']
  }
)

/** Hashes of the API keys that were valid in the last minutes. Bounded: the least recently used go first. */
class KnownKeys {
  readonly #untilMs = new Map<string, number>()

  has (key: string): boolean {
    return (this.#untilMs.get(digest(key)) ?? -Infinity) > performance.now()
  }

  add (key: string): void {
    const hash = digest(key)
    // Deleted first, so that it becomes the most recent entry.
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

/** A token of a deleted account gets the same response as any other invalid token. */
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
