/**
 * The bytes of a base64url text in its one canonical spelling: without padding, in the URL-safe alphabet, with the bits
 * after the last byte zero; undefined for any other text. Decoders accept several spellings of the same bytes, and a
 * credential has one.
 */
export function decodeBase64url (text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** Whether each part of a signed token (JWS, compact) is in its canonical spelling. */
export function isCanonicalToken (token: string): boolean {
  return token.split('.').every((part) => decodeBase64url(part) !== undefined)
}
