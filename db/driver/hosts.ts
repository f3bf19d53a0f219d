import type { Host } from '../../src/config/database-url.ts'
import { DatabaseError } from './errors.ts'

/** What a server must be to be used, in libpq's words: `primary` looks at recovery alone. */
export type Role = 'any' | 'read-write' | 'primary'

/** What a server says of itself when a session starts. */
export interface ServerState {
  /** Differs between servers, and between two runs of one server. */
  identity: string
  standby: boolean
  /** `default_transaction_read_only` of the session. */
  readOnly: boolean
}

/** How long a host that kept silent is tried after the others. */
const SILENT_MS = 30_000

/**
 * The hosts of an address, in the order in which they are tried, and the server that was found last. The connections
 * of a pool and its probe share one: what one of them learns, the next connection goes by.
 */
export class Hosts {
  readonly all: readonly Host[]
  readonly role: Role
  #current: { host: Host, identity: string } | undefined
  readonly #silentAt = new Map<Host, number>()
  readonly #listeners: Array<() => void> = []

  constructor (all: readonly Host[], role: Role) {
    this.all = all
    this.role = role
  }

  /** The server that the last connection was made to; undefined before the first, and after it was found unfit. */
  get current (): string | undefined {
    return this.#current?.identity
  }

  /** The host that answered last comes first, one that kept silent lately last, the others as the address has them. */
  inOrder (): Host[] {
    const now = performance.now()
    const rank = (host: Host) =>
      now - (this.#silentAt.get(host) ?? -Infinity) < SILENT_MS ? 2 : host === this.#current?.host ? 0 : 1
    return this.all.toSorted((a, b) => rank(a) - rank(b))
  }

  /** Why the server is not the one that is looked for; undefined where it is. */
  refusal ({ standby, readOnly }: ServerState): DatabaseError | undefined {
    if (this.role === 'any') return undefined
    if (standby) return new DatabaseError('read_only', 'The server is a standby')
    if (readOnly && this.role === 'read-write') return new DatabaseError('read_only', 'The server is set to read only')
    return undefined
  }

  /** A connection was made to the server. */
  used (host: Host, identity: string): void {
    this.#silentAt.delete(host)
    const isMove = this.#current !== undefined && this.#current.identity !== identity
    this.#current = { host, identity }
    if (isMove) this.#tell()
  }

  /** The host did not answer in its time. */
  silent (host: Host): void {
    this.#silentAt.set(host, performance.now())
  }

  /** The server takes no more writes. */
  unfit (identity: string): void {
    if (this.#current?.identity !== identity) return
    this.#current = undefined
    this.#tell()
  }

  /**
   * Calls `listener` when connections to other servers than the current one are of no more use: a server that takes
   * writes is looked for, and it is now another one, or not known.
   */
  onMove (listener: () => void): void {
    this.#listeners.push(listener)
  }

  #tell (): void {
    if (this.role !== 'any') for (const listener of this.#listeners) listener()
  }
}

/**
 * Opens a connection to the first of the hosts that will do, within the time given: a silent one leaves the others
 * their share of it. Rejects as the last one did, but with the reason of a server that takes no writes where there was
 * one.
 */
export async function openToFirst<T> (
  hosts: Hosts,
  timeoutMs: number,
  open: (host: Host, timeoutMs: number) => Promise<T>
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  const order = hosts.inOrder()
  let failure: unknown
  for (const [index, host] of order.entries()) {
    const began = performance.now()
    const shareMs = Math.max(1, (deadline - began) / (order.length - index))
    try {
      return await open(host, shareMs)
    } catch (error) {
      if (performance.now() - began >= shareMs * 0.9) hosts.silent(host)
      if (!(failure instanceof DatabaseError)) failure = error
    }
  }
  throw failure
}
