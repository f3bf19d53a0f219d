import { insertRevocations } from '../../db/revocations.ts'
import type { Sql } from '../../db/sql.ts'
import type { Revocation } from '../auth/revocations.ts'

/** The assumed maximum difference between the clocks of instances and database. */
const MARGIN_S = 120

interface RevokeOptions {
  /** Whether tokens issued from now on stay valid. */
  pastOnly?: boolean
}

/**
 * Records for all instances that the tokens of these subjects are revoked, for as long as a token lives (`tokenS`,
 * seconds). Returns the revocations, for this instance to apply at once after the commit.
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
