import fp from 'fastify-plugin'
import { listRevocations } from '../db/revocations.ts'
import type { Sql } from '../db/sql.ts'
import { Revocations } from '../src/auth/revocations.ts'

export interface RevocationList {
  /** What this process knows to be revoked. */
  readonly known: Revocations
  /** Whether it was read lately enough to go by. */
  readonly isFresh: boolean
  /** Reads what other instances have revoked; those who ask together wait for one reading. @throws DatabaseError */
  poll (): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Which accounts and sessions are no longer good, though tokens that say so may be about. */
    revocations: RevocationList
  }
}

export interface RevocationOptions {
  /** Where the list is read from. */
  sql: Sql
  /** Between two readings. */
  intervalMs?: number
  /** A list older than this is read before anybody is let in by it. */
  staleMs?: number
}

/**
 * Has this instance know within seconds what was revoked at another, though no request reads the database to check its
 * token. While the list cannot be read for longer than `staleMs`, requests ask for it themselves, and are answered 503
 * where that fails: a session that was ended lives for no more than a minute whatever happens, and what needs the
 * database could not be done anyway.
 */
export default fp<RevocationOptions>(async function revocationList (
  app,
  { sql, intervalMs = 10_000, staleMs = 45_000 }
) {
  const known = new Revocations()
  let readAt: string | undefined
  let readAtMs = -Infinity
  let reading: Promise<void> | undefined
  let failing = false

  app.decorate('revocations', {
    known,
    get isFresh () { return performance.now() - readAtMs < staleMs },
    poll
  })

  const ticker = setInterval(() => {
    // Before the migrations there is nothing to read, and nobody to be let in.
    if (app.availability.state !== 'starting') poll().then(recovered, failed)
  }, intervalMs)
  ticker.unref()
  app.addHook('onClose', async () => {
    clearInterval(ticker)
    await reading?.catch(() => {})
  })

  async function poll (): Promise<void> {
    reading ??= read().finally(() => { reading = undefined })
    return await reading
  }

  async function read (): Promise<void> {
    const begunAtMs = performance.now()
    const page = await listRevocations(sql, readAt)
    known.add(
      page.rows.map(({ subject, issued_until: until, lives_ms: livesMs }) => ({
        subject,
        livesMs,
        ...(until === null ? {} : { issuedUntilMs: Date.parse(until) })
      }))
    )
    known.prune()
    readAt = page.readAt
    readAtMs = begunAtMs
  }

  function failed (error: unknown): void {
    if (!failing) {
      app.logger.warning('revoked sessions cannot be read; requests will wait for them', {
        error,
        error_code: 'REVOCATIONS_UNREADABLE'
      })
    }
    failing = true
  }

  function recovered (): void {
    if (failing) app.logger.info('revoked sessions can be read again')
    failing = false
  }
}, { name: 'revocations', dependencies: ['logging', 'availability'] })
