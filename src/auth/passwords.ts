import { hash, verify, type Options } from '@node-rs/argon2'
import { AppError } from '../errors.ts'

/** The cost of a hash. A password hashed at a lower cost is hashed again at the next login. */
export interface PasswordCost {
  /** KiB of memory. */
  memoryKiB: number
  passes: number
  parallelism: number
}

/** The first recommendation of OWASP for Argon2id. */
export const DEFAULT_COST: PasswordCost = { memoryKiB: 19_456, passes: 2, parallelism: 1 }

/** Concurrent hashes: half of libuv's four threads, so that file and DNS work goes on while many users log in. */
const MOST_AT_ONCE = 2
/** The longest queue: a request behind it would wait longer than its client. */
const MOST_WAITING = 200

export interface PasswordBounds {
  atOnce: number
  waiting: number
}

/**
 * Hashes and verifies passwords with Argon2id, on libuv's threads and not on the event loop. Bounded: a flood of
 * logins can take neither all threads nor unlimited memory.
 */
export class Passwords {
  readonly #cost: PasswordCost
  readonly #bounds: PasswordBounds
  readonly #waiting: Array<() => void> = []
  #running = 0
  /** The hash of a random password: verified if there is no account, so that the response takes the same time. */
  readonly #decoy: Promise<string>

  constructor (
    cost: PasswordCost = DEFAULT_COST,
    bounds: PasswordBounds = { atOnce: MOST_AT_ONCE, waiting: MOST_WAITING }
  ) {
    this.#cost = cost
    this.#bounds = bounds
    this.#decoy = this.hash('no account has this password')
    // A failure reaches those who await the promise.
    this.#decoy.catch(() => {})
  }

  /** @throws AppError SERVICE_UNAVAILABLE if the queue is full */
  async hash (password: string): Promise<string> {
    return await this.#inTurn(async () => await hash(normal(password), options(this.#cost)))
  }

  /**
   * Whether the password matches `passwordHash`. Without a hash it takes the same time, and is false.
   * @throws AppError SERVICE_UNAVAILABLE if the queue is full
   */
  async verify (passwordHash: string | null | undefined, password: string): Promise<boolean> {
    const against = passwordHash ?? (await this.#decoy)
    const matches = await this.#inTurn(async () => await verify(against, normal(password)))
    return matches && passwordHash !== null && passwordHash !== undefined
  }

  /** Whether a hash was made at a lower cost than today's. */
  isWeak (passwordHash: string): boolean {
    const match = /^\$argon2id\$v=\d+\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(passwordHash)
    if (match === null) return true
    const [memoryKiB, passes, parallelism] = match.slice(1).map(Number) as [number, number, number]
    return memoryKiB < this.#cost.memoryKiB || passes < this.#cost.passes || parallelism < this.#cost.parallelism
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#bounds.atOnce) {
      this.#running++
    } else {
      if (this.#waiting.length >= this.#bounds.waiting) { throw new AppError('SERVICE_UNAVAILABLE', 'Too many passwords are being checked: try again in a moment') }
      // A finished hash hands its place to the first in the queue, so that no newcomer takes it.
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}

function options ({ memoryKiB, passes, parallelism }: PasswordCost): Options {
  // 2 is Argon2id: the package's enumeration is a `const enum`, which a module compiled alone cannot read.
  return { algorithm: 2, memoryCost: memoryKiB, timeCost: passes, parallelism }
}

/** The same bytes for the same typed text, however the keyboard composes accents. */
function normal (password: string): string {
  return password.normalize('NFKC')
}
