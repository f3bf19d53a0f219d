import { createHash } from 'node:crypto'
import { SignJWT, decodeProtectedHeader, jwtVerify } from 'jose'
import { validate as isUuid } from 'uuid'
import { isCanonicalToken } from './base64url.ts'
import { sessionSubject, userSubject } from './revocations.ts'
import type { VerifiedToken } from './verified-tokens.ts'

/** Seconds an access token lives. */
export const ACCESS_TOKEN_S = 900

const ISSUER = 'running-trainer'

interface Key {
  id: string
  secret: Uint8Array
}

/**
 * Issues and checks our own access tokens. Several secrets may be in use at once, so that they can be rotated without
 * logging anybody out: the first signs, all verify. A token names its session (`sid`), so that one session can be ended
 * without the others.
 */
export class AccessTokens {
  readonly #keys: Key[]

  constructor (secrets: string[]) {
    this.#keys = secrets.map((secret) => ({
      id: createHash('sha256').update(`kid:${secret}`).digest('hex').slice(0, 16),
      secret: new TextEncoder().encode(secret)
    }))
  }

  async issue (userId: string, sessionId: string): Promise<string> {
    const [{ id, secret }] = this.#keys as [Key]
    return await new SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: id })
      .setIssuer(ISSUER).setAudience(ISSUER).setSubject(userId)
      .setIssuedAt().setExpirationTime(`${ACCESS_TOKEN_S}s`)
      .sign(secret)
  }

  /** The claims of a valid token of ours; undefined for any other text. */
  async verify (token: string): Promise<VerifiedToken | undefined> {
    if (!isCanonicalToken(token)) return undefined
    try {
      const { kid } = decodeProtectedHeader(token)
      const key = this.#keys.find(({ id }) => id === kid)
      if (key === undefined) return undefined
      const {
        payload: { sub, sid, iat, exp }
      } = await jwtVerify(token, key.secret, {
        algorithms: ['HS256'],
        typ: 'at+jwt',
        issuer: ISSUER,
        audience: ISSUER,
        requiredClaims: ['sub', 'sid', 'iat', 'exp']
      })
      if (!isId(sub) || !isId(sid)) return undefined
      return {
        userId: sub,
        sessionId: sid,
        issuedAtMs: (iat as number) * 1000,
        expiresAtMs: (exp as number) * 1000,
        subjects: [userSubject(sub), sessionSubject(sid)]
      }
    } catch {
      return undefined
    }
  }
}

/** Whether a claim is an id as `issue` writes it. */
function isId (claim: unknown): claim is string {
  return typeof claim === 'string' && isUuid(claim) && claim === claim.toLowerCase()
}
