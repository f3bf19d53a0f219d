import { makeToken, readToken } from './refresh-tokens.ts'

/**
 * What an API key begins with, so that it can be told from other tokens, and found by those who look for leaked ones.
 */
export const API_KEY_PREFIX = 'rt_'

export function makeApiKey (userId: string, keyId: string) {
  return makeToken(API_KEY_PREFIX, userId, keyId)
}

/** Undefined where it has not the form of one. */
export function readApiKey (key: string) {
  return readToken(API_KEY_PREFIX, key)
}
