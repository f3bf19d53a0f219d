import { createHash } from 'node:crypto'
import type { VerifiedToken } from './verified-tokens.ts'

/** What no token gets past any more, as it is kept for all instances. */
export interface Revocation {
  /** A hash: what is revoked cannot be told from it. */
  subject: string
  /** Tokens issued later are good; absent where all are bad. */
  issuedUntilMs?: number
  /** How long a token that says otherwise may be about. */
  livesMs: number
}

export function userSubject (userId: string): string {
  return digest(`user ${userId}`)
}

export function sessionSubject (sessionId: string): string {
  return digest(`session ${sessionId}`)
}

export function identitySubject (issuer: string, subject: string): string {
  return digest(`identity ${issuer} ${subject}`)
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

interface Entry {
  issuedUntilMs: number
  endsAtMs: number
}

/**
 * What was revoked lately, in memory: as a signed token is good by itself, somebody must remember which are good no
 * more. That is the list of those revoked within the life of a token, and no longer.
 */
export class Revocations {
  readonly #entries = new Map<string, Entry>()

  get size (): number {
    return this.#entries.size
  }

  add (revocations: Revocation[]): void {
    for (const { subject, issuedUntilMs = Infinity, livesMs } of revocations) {
      this.#entries.set(subject, { issuedUntilMs, endsAtMs: performance.now() + livesMs })
    }
  }

  /** Forgets those that no living token can contradict. */
  prune (): void {
    for (const [subject, { endsAtMs }] of this.#entries) {
      if (endsAtMs <= performance.now()) this.#entries.delete(subject)
    }
  }

  refuses ({ subjects, issuedAtMs }: VerifiedToken): boolean {
    if (this.#entries.size === 0) return false
    return subjects.some((subject) => issuedAtMs <= (this.#entries.get(subject)?.issuedUntilMs ?? -Infinity))
  }
}
