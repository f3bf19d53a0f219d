import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, onRequestHookHandler, preHandlerHookHandler } from 'fastify'
import { canonicalAddress } from '../src/auth/addresses.ts'
import { AppError } from '../src/errors.ts'
import { Limiter, type Allowance } from '../src/http/limiter.ts'
import { networkOf } from '../src/http/network.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook for routes without authentication: counts by address. */
    limitByAddress: onRequestHookHandler
    /** Hook for sign-in: counts by address, before the body is read. */
    limitSignInByAddress: onRequestHookHandler
    /** Hook for sign-in: counts by the e-mail address in the body, before the password is verified. */
    limitSignInByEmail: preHandlerHookHandler
    /** Hook for signed-in routes that ask for the password again: counts by user, with the limit of sign-in. */
    limitPasswordByUser: preHandlerHookHandler
    /** Counts an authenticated request by its user. @throws AppError RATE_LIMITED */
    countUser (userId: string, reply: FastifyReply): void
    /** Counts a request that failed to authenticate by its address. @throws AppError RATE_LIMITED */
    countStranger (request: FastifyRequest, reply: FastifyReply): void
    /**
     * Throws as `countStranger` would, and counts nothing: called before an expensive check of a token.
     * @throws AppError RATE_LIMITED
     */
    refuseStranger (request: FastifyRequest, reply: FastifyReply): void
  }
}

export interface RateLimitOptions {
  /** Requests per minute for each user, or each address if the request is not authenticated; 0: no limit. */
  max: number
  /** Sign-in attempts per minute for each address and for each e-mail address; 0: no limit. */
  authMax: number
}

/**
 * Limits the rate of requests, and reports the state of the limit in `RateLimit-*`. Each process counts for itself:
 * shared counters would cost each request a round trip and add one more dependency that can fail, while the limit
 * protects this process. With n processes behind a load balancer the limit is up to n times as high. It is not the
 * only protection of passwords: each guess costs a password hash.
 *
 * Authenticated requests are counted by user, whatever their address; all others by address. Nothing runs on a timer.
 */
export default fp<RateLimitOptions>(async function rateLimit (app, { max, authMax }) {
  const users = limiterOf(max)
  const addresses = limiterOf(max)
  const signInAddresses = limiterOf(authMax)
  const signInEmails = limiterOf(authMax)
  const passwords = limiterOf(authMax)

  app.decorate('limitByAddress', function limitByAddress (request, reply, done) {
    done(count(addresses, networkOf(request.ip), reply))
  })
  app.decorate('limitSignInByAddress', function limitSignInByAddress (request, reply, done) {
    done(count(signInAddresses, networkOf(request.ip), reply))
  })
  app.decorate('limitSignInByEmail', function limitSignInByEmail (request, reply, done) {
    const { email } = (request.body ?? {}) as { email?: unknown }
    done(typeof email === 'string' ? count(signInEmails, canonicalAddress(email), reply) : undefined)
  })
  app.decorate('limitPasswordByUser', function limitPasswordByUser (request, reply, done) {
    done(count(passwords, request.exchange.user_id ?? '', reply))
  })
  app.decorate('countUser', (userId: string, reply: FastifyReply) => throwIf(count(users, userId, reply)))
  app.decorate('countStranger', (request: FastifyRequest, reply: FastifyReply) =>
    throwIf(count(addresses, networkOf(request.ip), reply))
  )
  app.decorate('refuseStranger', (request: FastifyRequest, reply: FastifyReply) => {
    const allowance = addresses?.look(networkOf(request.ip), performance.now())
    if (allowance?.refused === true) throw refusal(tell(allowance, reply))
  })
}, { name: 'rate-limit', dependencies: ['request-context'] })

function limiterOf (max: number): Limiter | undefined {
  return max === 0 ? undefined : new Limiter(max)
}

function count (limiter: Limiter | undefined, key: string, reply: FastifyReply): AppError | undefined {
  if (limiter === undefined) return undefined
  const allowance = tell(limiter.take(key, performance.now()), reply)
  return allowance.refused ? refusal(allowance) : undefined
}

/** Reports a limit in the headers of the response; of two limits, the one that is closer to its end. */
function tell (allowance: Allowance, reply: FastifyReply): Allowance {
  const told = reply.getHeader('ratelimit-remaining')
  if (told === undefined || allowance.refused || allowance.remaining <= Number(told)) {
    reply
      .header('ratelimit-limit', String(allowance.limit))
      .header('ratelimit-remaining', String(allowance.remaining))
      .header('ratelimit-reset', String(allowance.resetS))
  }
  return allowance
}

function refusal ({ resetS }: Allowance): AppError {
  return new AppError('RATE_LIMITED', 'Too many requests: retry after the time in Retry-After', {
    headers: { 'retry-after': String(resetS) }
  })
}

function throwIf (error: AppError | undefined): void {
  if (error !== undefined) throw error
}
