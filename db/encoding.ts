import type { Sql } from './sql.ts'

/** What the database stores text in: `UTF8`, or an encoding that does not have every character. */
export async function findEncoding (sql: Sql): Promise<string> {
  const [row] = await sql<{ encoding: string }>`/* findEncoding */
    select current_setting('server_encoding') as encoding
  `
  return row?.encoding ?? 'UTF8'
}
