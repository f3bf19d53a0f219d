/** The claims of a verified token. */
export interface VerifiedToken {
  userId: string
  /** The session it belongs to; tokens of an OpenID Connect provider have none. */
  sessionId?: string
  issuedAtMs: number
  expiresAtMs: number
  /** The subjects whose revocation makes it invalid. */
  subjects: string[]
}

const MOST = 10_000
/** Longer tokens are verified each time, so that the memory is bounded in bytes too. */
const LONGEST = 4096

/**
 * The number of last characters, which are of the signature, by which a token is looked up: hashing the whole token
 * takes longer than comparing it with the one found.
 */
const TAIL = 32

/** Caches verified tokens until they expire. Bounded: the oldest go first. */
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
