import { createHash } from 'node:crypto'
import { SignJWT, decodeProtectedHeader, jwtVerify } from 'jose'
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
 * Issues and checks our own access tokens. Several secrets may be in use at once, so that they can be changed without
 * logging anybody out: the first signs, all verify. A token names its session (`sid`), so that one session can be ended
 * and another spared.
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

  /** What the token says, where it is ours and valid; undefined for anything else whatsoever. */
  async verify (token: string): Promise<VerifiedToken | undefined> {
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
      if (typeof sub !== 'string' || typeof sid !== 'string') return undefined
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
