import { makeToken, readToken } from './refresh-tokens.ts'

/** The prefix of an API key: it tells the key from other tokens, and lets scanners for leaked secrets find it. */
export const API_KEY_PREFIX = 'rt_'

export function makeApiKey (userId: string, keyId: string) {
  return makeToken(API_KEY_PREFIX, userId, keyId)
}

/** The parts of an API key; undefined where the text does not have the form of one. */
export function readApiKey (key: string) {
  return readToken(API_KEY_PREFIX, key)
}
