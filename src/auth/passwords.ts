import { hash, verify, type Options } from '@node-rs/argon2'

/** What a hash costs; larger figures than those a hash was made with have it made anew at the next login. */
export interface PasswordCost {
  /** KiB of memory. */
  memoryKiB: number
  passes: number
  parallelism: number
}

/** OWASP’s first choice for Argon2id. */
export const DEFAULT_COST: PasswordCost = { memoryKiB: 19_456, passes: 2, parallelism: 1 }

/** Hashes and checks passwords with Argon2id, which runs on libuv's threads, not on the event loop. */
export class Passwords {
  readonly #cost: PasswordCost
  /** Of a password nobody has: checked where there is no account, so that the answer takes as long. */
  #decoy: Promise<string> | undefined

  constructor (cost: PasswordCost = DEFAULT_COST) {
    this.#cost = cost
  }

  async hash (password: string): Promise<string> {
    return await hash(normal(password), options(this.#cost))
  }

  /** Whether it is the password of `passwordHash`. Without a hash it takes the same time, and is false. */
  async verify (passwordHash: string | null | undefined, password: string): Promise<boolean> {
    this.#decoy ??= this.hash('no account has this password')
    const matches = await verify(passwordHash ?? await this.#decoy, normal(password))
    return matches && passwordHash !== null && passwordHash !== undefined
  }

  /** Whether a hash was made for less than what one costs today. */
  isWeak (passwordHash: string): boolean {
    const match = /^\$argon2id\$v=\d+\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(passwordHash)
    if (match === null) return true
    const [memoryKiB, passes, parallelism] = match.slice(1).map(Number) as [number, number, number]
    return memoryKiB < this.#cost.memoryKiB || passes < this.#cost.passes || parallelism < this.#cost.parallelism
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
