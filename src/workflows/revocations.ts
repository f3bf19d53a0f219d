import { insertRevocations } from '../../db/revocations.ts'
import type { Sql } from '../../db/sql.ts'
import type { Revocation } from '../auth/revocations.ts'

/** Clocks of instances and database may differ by so much. */
const MARGIN_S = 120

interface RevokeOptions {
  /** Tokens issued from now on are good. */
  pastOnly?: boolean
}

/**
 * Writes down for all instances that tokens which say so are good no more, for as long as they live (`tokenS`,
 * seconds). What is answered is for this instance to know at once, after the transaction.
 */
export async function revoke (
  sql: Sql,
  subjects: string[],
  tokenS: number,
  { pastOnly = false }: RevokeOptions = {}
): Promise<Revocation[]> {
  const livesS = tokenS + MARGIN_S
  await insertRevocations(
    sql,
    subjects.map((subject) => ({ subject, pastOnly, livesS }))
  )
  return subjects.map((subject) => ({
    subject,
    livesMs: livesS * 1000,
    ...(pastOnly ? { issuedUntilMs: Date.now() } : {})
  }))
}
