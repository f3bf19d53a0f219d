import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The scope in which an Idempotency-Key is unique. */
export interface KeyScope {
  userId: string
  method: string
  path: string
}

/**
 * Seals the stored response of one Idempotency-Key of one user for one method and path. All secrets are derived from
 * the key (HKDF, RFC 5869), which is not stored, so that only a client that sends the key again can read the response:
 * an API key that is shown once can be read neither from a copy of the database nor by the service. This is as strong
 * as the key is hard to guess; clients are told to send a UUID.
 */
export class AnswerSeal {
  /** The hash by which the stored response is found. */
  readonly keyHash: Buffer
  /** The number of the advisory lock that is held while the first request runs. */
  readonly lock: bigint
  readonly #encryptionKey: Buffer
  readonly #fingerprintKey: Buffer

  constructor ({ userId, method, path }: KeyScope, key: string) {
    // Hashed, because a path may be longer than HKDF accepts.
    const place = createHash('sha256').update(`${method} ${path}`).digest()
    const material = Buffer.from(hkdfSync('sha256', key, userId, place, 104))
    this.keyHash = material.subarray(0, 32)
    this.#encryptionKey = material.subarray(32, 64)
    this.#fingerprintKey = material.subarray(64, 96)
    this.lock = material.readBigInt64BE(96)
  }

  /** A fingerprint that distinguishes requests with the same key, 32 bytes. */
  fingerprint (parts: ReadonlyArray<string | Uint8Array>): Buffer {
    const hmac = createHmac('sha256', this.#fingerprintKey)
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part)
    return hmac.digest()
  }

  close (text: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#encryptionKey, nonce)
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
  }

  /** @throws Error if the bytes were not made by `close` with this key. */
  open (bytes: Uint8Array): string {
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#encryptionKey, nonce, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
  }
}
