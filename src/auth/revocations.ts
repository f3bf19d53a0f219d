import { createHash } from 'node:crypto'
import type { VerifiedToken } from './verified-tokens.ts'

/** One revocation, as stored for all instances. */
export interface Revocation {
  /** A hash of the user, session or identity, which does not reveal it. */
  subject: string
  /** Tokens issued later are accepted; absent if all are refused. */
  issuedUntilMs?: number
  /** How long a revoked token could still be valid. */
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
 * The recent revocations, in memory. A signed token is valid by itself, so that the service has to remember those it
 * refuses; each revocation is remembered for the lifetime of a token, and no longer.
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

  /** Removes revocations whose tokens have all expired. */
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
