import fp from 'fastify-plugin'
import { listRevocations } from '../db/revocations.ts'
import type { Sql } from '../db/sql.ts'
import { Revocations } from '../src/auth/revocations.ts'

export interface RevocationList {
  /** The revocations that this process knows of. */
  readonly known: Revocations
  /** Whether the list was read recently enough to rely on. */
  readonly isFresh: boolean
  /** Reads the revocations of other instances; concurrent calls share one query. @throws DatabaseError */
  poll (): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The accounts and sessions whose tokens are refused although they have not expired. */
    revocations: RevocationList
  }
}

export interface RevocationOptions {
  /** Where the list is read from. */
  sql: Sql
  /** The interval between two reads. */
  intervalMs?: number
  /** A list older than this is read again before a token is accepted. */
  staleMs?: number
}

/**
 * Keeps this instance informed, within seconds, of the revocations of other instances, so that no request has to read
 * the database to verify a token. If the list could not be read for longer than `staleMs`, requests read it themselves,
 * and are answered 503 if that fails: a session that was ended stays usable for a minute at most, and requests that
 * need the database would fail anyway.
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
    // Before the migrations there is no table to read, and no request to authenticate.
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
