import type { Executor, Sql } from './contract.ts'

/** The tagged template that queries are written with. */
export function bind (executor: Executor): Sql {
  const sql = (strings: TemplateStringsArray, ...values: unknown[]) => executor.run(strings, values)
  sql.executor = executor
  return sql as unknown as Sql
}
