import { SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import type { Database } from './database.ts'
import type { Executor, TransactionOptions } from './driver/contract.ts'
import { templateOf } from './driver/template.ts'
import { sqlState, type RequestSql, type Sql } from './sql.ts'

/**
 * The same database, each of whose statements has a span from being asked for to its rows: waiting for a connection is
 * part of it.
 */
export function tracedDatabase (database: Database, tracer: Tracer): Database {
  return {
    ...database,
    sql: traced(database.sql, tracer),
    forRequest (context) {
      const sql = database.forRequest(context)
      return Object.assign(traced(sql, tracer), {
        cancel: (reason: Parameters<RequestSql['cancel']>[0]) => sql.cancel(reason)
      })
    }
  }
}

function traced (inner: Sql, tracer: Tracer): Sql {
  const executor = new TracedExecutor(inner.executor, tracer)
  const sql = (strings: TemplateStringsArray, ...values: unknown[]) => executor.run(strings, values)
  return Object.assign(sql, { executor }) as unknown as Sql
}

class TracedExecutor implements Executor {
  readonly #inner: Executor
  readonly #tracer: Tracer

  constructor (inner: Executor, tracer: Tracer) {
    this.#inner = inner
    this.#tracer = tracer
  }

  async run (strings: TemplateStringsArray, values: unknown[]) {
    // Outside of a trace, in jobs and at start, a statement would be one of its own.
    if (trace.getActiveSpan() === undefined) return await this.#inner.run(strings, values)
    const { name } = templateOf(strings)
    const span = this.#tracer.startSpan(name, {
      kind: SpanKind.CLIENT,
      attributes: { 'db.system.name': 'postgresql', 'db.query.summary': name }
    })
    try {
      const rows = await this.#inner.run(strings, values)
      span.setAttribute('db.response.returned_rows', rows.length)
      return rows
    } catch (error) {
      const state = sqlState(error)
      if (state !== undefined) span.setAttribute('db.response.status_code', state)
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  }

  async transaction<T> (work: (sql: Sql) => Promise<T>, options: TransactionOptions): Promise<T> {
    return await this.#inner.transaction(async (sql) => await work(traced(sql, this.#tracer)), options)
  }
}
