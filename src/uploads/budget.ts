import { AppError } from '../errors.ts'

/** How much of uploads one process spools at once, in bytes: sixteen of the largest recordings. */
export const UPLOAD_BUDGET_BYTES = 512 * 1024 * 1024

/** The bytes of uploads that a process may have on disk at once: being received, decoded, or waiting for it. */
export class UploadBudget {
  #leftBytes: number

  constructor (bytes = UPLOAD_BUDGET_BYTES) {
    this.#leftBytes = bytes
  }

  /** The bytes that are left. */
  get leftBytes (): number {
    return this.#leftBytes
  }

  /** For one upload: it takes as it grows, and gives all back at once, when its file is removed. */
  loan (): UploadLoan {
    let takenBytes = 0
    return {
      take: (bytes) => {
        if (bytes > this.#leftBytes) {
          throw new AppError('SERVICE_UNAVAILABLE', 'Too many recordings are being received: try again in a moment', {
            headers: { 'retry-after': '1' }
          })
        }
        this.#leftBytes -= bytes
        takenBytes += bytes
      },
      giveBack: () => {
        this.#leftBytes += takenBytes
        takenBytes = 0
      }
    }
  }
}

export interface UploadLoan {
  /** @throws AppError SERVICE_UNAVAILABLE where so much is not left */
  take (bytes: number): void
  giveBack (): void
}
