import { createHash, randomBytes } from 'node:crypto'
import { parse, stringify } from 'uuid'
import { decodeBase64url } from './base64url.ts'

/** The prefix of a feed's secret: by it the log recognises the secret in any path or text. */
const PREFIX = 'rtc_'
const OWNER_BYTES = 16
const SECRET_BYTES = 32

/** The secret part of a feed's address. It names its owner, so that the feed is found by its primary key. */
export function makeFeedToken (userId: string): { token: string, secretHash: Buffer } {
  const secret = randomBytes(SECRET_BYTES)
  const token = PREFIX + Buffer.concat([parse(userId), secret]).toString('base64url')
  return { token, secretHash: digest(secret) }
}

/** The parts of a feed's secret; undefined where the text does not have the form of one. */
export function readFeedToken (token: string): { userId: string, secretHash: Buffer } | undefined {
  if (!token.startsWith(PREFIX)) return undefined
  const bytes = decodeBase64url(token.slice(PREFIX.length))
  if (bytes?.length !== OWNER_BYTES + SECRET_BYTES) return undefined
  try {
    return { userId: stringify(bytes.subarray(0, OWNER_BYTES)), secretHash: digest(bytes.subarray(OWNER_BYTES)) }
  } catch {
    return undefined
  }
}

function digest (secret: Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest()
}
