import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import type { Database } from '../db/database.ts'
import type { RequestSql, Sql } from '../db/sql.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The database for this request: its log lines carry the request's context, and its statements end with the
     * request. Throws once `takeSql` was called.
     */
    readonly sql: Sql
    sqlIsTaken: boolean
    /** Moves the database out of the request, so that only the caller can hand it on. */
    takeSql (): Sql
  }
}

/**
 * Gives each request its own `Sql`, made when it is first used. Running statements finish before the service has
 * closed.
 */
export default fp<{ database: Database }>(async function databaseAccess (app, { database }) {
  app.decorateRequest('sqlIsTaken', false)
  app.decorateRequest('takeSql', function takeSql () {
    this.sqlIsTaken = true
    return sqlOf(this)
  })
  app.decorateRequest('sql', {
    getter () {
      if (this.sqlIsTaken) throw new TypeError('This handler writes with the sql it was given as an argument')
      return sqlOf(this)
    }
  })
  app.addHook('onClose', async () => { await database.close({ timeoutMs: 5000 }) })

  function sqlOf ({ exchange, inFlight, server }: FastifyRequest): Sql {
    if (inFlight.work !== undefined) return inFlight.work as RequestSql
    const sql = database.forRequest({ log: server.logger.bind(exchange) })
    inFlight.work = sql
    // A request that ended before its first statement must not be carried out later.
    if (exchange.aborted) sql.cancel('client_gone')
    else if (inFlight.expired) sql.cancel('deadline')
    return sql
  }
}, { name: 'database', dependencies: ['request-context', 'logging'] })
