import { hash, verify, type Options } from '@node-rs/argon2'
import { AppError } from '../errors.ts'

/** What a hash costs; larger figures than those a hash was made with have it made anew at the next login. */
export interface PasswordCost {
  /** KiB of memory. */
  memoryKiB: number
  passes: number
  parallelism: number
}

/** OWASP’s first choice for Argon2id. */
export const DEFAULT_COST: PasswordCost = { memoryKiB: 19_456, passes: 2, parallelism: 1 }

/** At once: half of libuv's four threads, so that files and names are still read while many log in. */
const MOST_AT_ONCE = 2
/** Who comes when so many wait would wait for longer than anybody does. */
const MOST_WAITING = 200

export interface PasswordBounds {
  atOnce: number
  waiting: number
}

/**
 * Hashes and checks passwords with Argon2id, which runs on libuv's threads, not on the event loop. Bounded: a flood of
 * logins takes neither all threads nor memory without end.
 */
export class Passwords {
  readonly #cost: PasswordCost
  readonly #bounds: PasswordBounds
  readonly #waiting: Array<() => void> = []
  #running = 0
  /** Of a password nobody has: checked where there is no account, so that the answer takes as long. */
  readonly #decoy: Promise<string>

  constructor (
    cost: PasswordCost = DEFAULT_COST,
    bounds: PasswordBounds = { atOnce: MOST_AT_ONCE, waiting: MOST_WAITING }
  ) {
    this.#cost = cost
    this.#bounds = bounds
    this.#decoy = this.hash('no account has this password')
    // Whoever needs it is told.
    this.#decoy.catch(() => {})
  }

  /** @throws AppError SERVICE_UNAVAILABLE where too many wait */
  async hash (password: string): Promise<string> {
    return await this.#inTurn(async () => await hash(normal(password), options(this.#cost)))
  }

  /**
   * Whether it is the password of `passwordHash`. Without a hash it takes the same time, and is false.
   * @throws AppError SERVICE_UNAVAILABLE where too many wait
   */
  async verify (passwordHash: string | null | undefined, password: string): Promise<boolean> {
    const against = passwordHash ?? (await this.#decoy)
    const matches = await this.#inTurn(async () => await verify(against, normal(password)))
    return matches && passwordHash !== null && passwordHash !== undefined
  }

  /** Whether a hash was made for less than what one costs today. */
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
      // Whoever is done hands over its place, and does not leave it to be taken by a third.
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

/** One form for what is typed the same on keyboards that compose differently. */
function normal (password: string): string {
  return password.normalize('NFKC')
}
