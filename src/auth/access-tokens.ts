import { createHash } from 'node:crypto'
import { SignJWT, decodeProtectedHeader, jwtVerify } from 'jose'

/** Seconds an access token lives. */
export const ACCESS_TOKEN_S = 900

const ISSUER = 'running-trainer'
const MAX_REMEMBERED = 10_000

export interface AccessToken {
  userId: string
  issuedAtMs: number
  expiresAtMs: number
}

interface Key {
  id: string
  secret: Uint8Array
}

/**
 * Issues and checks our own access tokens. Several secrets may be in use at once, so that they can be changed without logging anybody out:
 * the first signs, all verify. A token once checked is remembered until it expires, so that a request costs a look-up.
 */
export class AccessTokens {
  readonly #keys: Key[]
  readonly #known = new Map<string, AccessToken>()

  constructor (secrets: string[]) {
    this.#keys = secrets.map((secret) => ({ id: createHash('sha256').update(`kid:${secret}`).digest('hex').slice(0, 16), secret: new TextEncoder().encode(secret) }))
  }

  async issue (userId: string): Promise<string> {
    const [{ id, secret }] = this.#keys as [Key]
    return await new SignJWT()
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: id })
      .setIssuer(ISSUER).setAudience(ISSUER).setSubject(userId)
      .setIssuedAt().setExpirationTime(`${ACCESS_TOKEN_S}s`)
      .sign(secret)
  }

  /** One that was checked before and has not expired. */
  remembered (token: string): AccessToken | undefined {
    const known = this.#known.get(token)
    if (known === undefined) return undefined
    if (known.expiresAtMs > Date.now()) return known
    this.#known.delete(token)
    return undefined
  }

  /** Whether it names one of our keys, and is not somebody else's. */
  isOurs (token: string): boolean {
    try {
      const { kid } = decodeProtectedHeader(token)
      return this.#keys.some(({ id }) => id === kid)
    } catch {
      return false
    }
  }

  /** What the token says, where it is ours and valid; undefined for anything else whatsoever. */
  async verify (token: string): Promise<AccessToken | undefined> {
    try {
      const { kid } = decodeProtectedHeader(token)
      const key = this.#keys.find(({ id }) => id === kid)
      if (key === undefined) return undefined
      const { payload: { sub, iat, exp } } = await jwtVerify(token, key.secret, { algorithms: ['HS256'], typ: 'at+jwt', issuer: ISSUER, audience: ISSUER, requiredClaims: ['sub', 'iat', 'exp'] })
      const checked = { userId: sub as string, issuedAtMs: (iat as number) * 1000, expiresAtMs: (exp as number) * 1000 }
      this.#remember(token, checked)
      return checked
    } catch {
      return undefined
    }
  }

  #remember (token: string, checked: AccessToken): void {
    if (this.#known.size >= MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value as string)
    this.#known.set(token, checked)
  }
}
