import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What an Idempotency-Key belongs to. */
export interface KeyScope {
  userId: string
  method: string
  path: string
}

/**
 * What is made of one Idempotency-Key of one user for one method and path. All of it is derived from the key (HKDF, RFC
 * 5869) and the key is kept nowhere, so a kept answer can be read only by who sends the key again: neither a copy of
 * the database nor the service itself gives away an API key that was to be shown once. That is as strong as the key is
 * hard to guess; clients are told to send a UUID.
 */
export class AnswerSeal {
  /** What the answer is found by. */
  readonly keyHash: Buffer
  /** The number of the lock that is held while the first request runs. */
  readonly lock: bigint
  readonly #encryptionKey: Buffer
  readonly #fingerprintKey: Buffer

  constructor ({ userId, method, path }: KeyScope, key: string) {
    // Hashed, as a path may be longer than HKDF takes.
    const place = createHash('sha256').update(`${method} ${path}`).digest()
    const material = Buffer.from(hkdfSync('sha256', key, userId, place, 104))
    this.keyHash = material.subarray(0, 32)
    this.#encryptionKey = material.subarray(32, 64)
    this.#fingerprintKey = material.subarray(64, 96)
    this.lock = material.readBigInt64BE(96)
  }

  /** What tells one request from another, 32 bytes. */
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

  /** @throws Error where the bytes are not what `close` made with this key. */
  open (bytes: Uint8Array): string {
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#encryptionKey, nonce, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
  }
}
