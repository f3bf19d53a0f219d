/** Who a token says it is, once it was checked. */
export interface VerifiedToken {
  userId: string
  /** The login it came from; tokens of an OpenID Connect provider have none of ours. */
  sessionId?: string
  issuedAtMs: number
  expiresAtMs: number
  /** What would have to be revoked for it not to be let in any more. */
  subjects: string[]
}

const MOST = 10_000
/** Longer ones are checked each time, so that the memory is bounded in bytes too. */
const LONGEST = 4096

/**
 * By so much of its end, where its signature is, a token is looked for: hashing all of it takes longer than comparing
 * it with the one found.
 */
const TAIL = 32

/** Tokens that were checked, until they expire: a request then costs a look-up. Bounded: the oldest go first. */
export class VerifiedTokens {
  readonly #known = new Map<string, { token: string, verified: VerifiedToken }>()

  get (token: string): VerifiedToken | undefined {
    const tail = token.slice(-TAIL)
    const known = this.#known.get(tail)
    if (known === undefined || known.token !== token) return undefined
    if (known.verified.expiresAtMs > Date.now()) return known.verified
    this.#known.delete(tail)
    return undefined
  }

  add (token: string, verified: VerifiedToken): void {
    if (token.length > LONGEST) return
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string)
    this.#known.set(token.slice(-TAIL), { token, verified })
  }
}
