import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { parse, stringify } from 'uuid'
import { decodeBase64url } from './base64url.ts'

/** Milliseconds a refresh token lives; after a longer absence the user logs in again. */
export const REFRESH_TOKEN_MS = 30 * 24 * 3600 * 1000

const PREFIX = 'rtr_'
const SECRET_BYTES = 32

/**
 * A token that names its row: it carries the owner and the row's id, so that the row is found by its primary key, and
 * only the last part is secret.
 */
export interface KeyedToken {
  userId: string
  tokenId: string
  secretHash: Buffer
}

export function makeToken (prefix: string, userId: string, tokenId: string): { token: string, secretHash: Buffer } {
  const secret = randomBytes(SECRET_BYTES)
  const token = prefix + Buffer.concat([parse(userId), parse(tokenId), secret]).toString('base64url')
  return { token, secretHash: digest(secret) }
}

/** The parts of a token; undefined where the text does not have the form of one. */
export function readToken (prefix: string, token: string): KeyedToken | undefined {
  if (!token.startsWith(prefix)) return undefined
  const bytes = decodeBase64url(token.slice(prefix.length))
  if (bytes?.length !== 32 + SECRET_BYTES) return undefined
  try {
    return { userId: stringify(bytes, 0), tokenId: stringify(bytes, 16), secretHash: digest(bytes.subarray(32)) }
  } catch {
    return undefined
  }
}

export function sameSecret (one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}

export function makeRefreshToken (userId: string, tokenId: string) {
  return makeToken(PREFIX, userId, tokenId)
}

export function readRefreshToken (token: string) {
  return readToken(PREFIX, token)
}

function digest (secret: Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest()
}
