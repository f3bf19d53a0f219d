import fp from 'fastify-plugin'
import type { Database } from '../db/database.ts'
import type { RequestSql, Sql } from '../db/sql.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The connections; drained when the instance closes. */
    database: Database
  }
  interface FastifyRequest {
    /** The database for this request: its lines carry the request's context, and it stops when the request does. */
    readonly sql: Sql
    /** The transaction that all of the request's statements are part of, for as long as there is one. */
    transactionSql: Sql | undefined
  }
}

/**
 * Gives each request its own face of the database, made when it is first used, and lets running statements finish
 * before the service says it is closed.
 */
export default fp<{ database: Database }>(async function databaseAccess (app, { database }) {
  app.decorate('database', database)
  app.decorateRequest('transactionSql', undefined)
  app.decorateRequest('sql', {
    getter () {
      const { exchange, transactionSql } = this
      if (transactionSql !== undefined) return transactionSql
      if (exchange.work !== undefined) return exchange.work as RequestSql
      const sql = database.forRequest({ log: this.server.logger.bind(exchange) })
      exchange.work = sql
      // Whoever was told that nothing came of it, or is gone, before the first statement, must not find it done later.
      if (exchange.aborted) sql.cancel('client_gone')
      else if (exchange.expired) sql.cancel('deadline')
      return sql
    }
  })
  app.addHook('onClose', async () => { await database.close({ timeoutMs: 5000 }) })
}, { name: 'database', dependencies: ['request-context', 'logging'] })
