import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, onRequestHookHandler, preHandlerHookHandler } from 'fastify'
import { canonicalAddress } from '../src/auth/addresses.ts'
import { AppError } from '../src/errors.ts'
import { Limiter, type Allowance } from '../src/http/limiter.ts'
import { networkOf } from '../src/http/network.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook for what asks nobody who they are: counts by address. */
    limitByAddress: onRequestHookHandler
    /** Hook for sign-in: counts by address, before anything is read. */
    limitSignInByAddress: onRequestHookHandler
    /** Hook for sign-in: counts by the e-mail address in the body, before its password is looked at. */
    limitSignInByEmail: preHandlerHookHandler
    /** Hook for whoever is signed in and says the password once more: counts by user, as sign-in does. */
    limitPasswordByUser: preHandlerHookHandler
    /** Counts the request of somebody who is signed in. @throws AppError RATE_LIMITED */
    countUser (userId: string, reply: FastifyReply): void
    /** Counts one that was not let in, by its address. @throws AppError RATE_LIMITED */
    countStranger (request: FastifyRequest, reply: FastifyReply): void
    /**
     * Counts nothing, and throws AppError RATE_LIMITED where `countStranger` would: before a token is checked at a
     * cost.
     */
    refuseStranger (request: FastifyRequest, reply: FastifyReply): void
  }
}

export interface RateLimitOptions {
  /** Requests a minute for each user, or each address where nobody is signed in; 0: no limit. */
  max: number
  /** Attempts a minute to sign in, for each address and for each e-mail address; 0: no limit. */
  authMax: number
}

/**
 * Limits how often somebody may ask, and says in `RateLimit-*` how they stand. It counts within this process: shared
 * counts would cost each request a round trip and make every answer wait for one more thing that can fail, and what is
 * limited, work, is done by this process too. With n processes behind a load balancer the limit is up to n times as
 * high. What must hold across all of them is not left to it: guessing a password costs a hash each time.
 *
 * Whoever is signed in is counted as a user, wherever they come from; whoever is not, by address. Nothing runs on a
 * timer.
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
}, { name: 'rate-limit', dependencies: ['request-context', 'error-envelope'] })

function limiterOf (max: number): Limiter | undefined {
  return max === 0 ? undefined : new Limiter(max)
}

function count (limiter: Limiter | undefined, key: string, reply: FastifyReply): AppError | undefined {
  if (limiter === undefined) return undefined
  const allowance = tell(limiter.take(key, performance.now()), reply)
  return allowance.refused ? refusal(allowance) : undefined
}

/** Says how the request stands; of two limits the one that is nearer. */
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
  return new AppError('RATE_LIMITED', 'Too many requests: wait as long as Retry-After says', {
    headers: { 'retry-after': String(resetS) }
  })
}

function throwIf (error: AppError | undefined): void {
  if (error !== undefined) throw error
}
