/** The replacement for values that must not be logged. */
export const REDACTED = '[redacted]'

/**
 * Names whose values are never logged, at any depth, in lower case without `-` and `_`. Secrets first, then personal
 * data: addresses, positions, bodies.
 */
const SECRET_NAMES = new Set([
  'password',
  'passwords',
  'passwd',
  'pwd',
  'passphrase',
  'passwordhash',
  'hash',
  'token',
  'tokens',
  'jwt',
  'authorization',
  'proxyauthorization',
  'cookie',
  'cookies',
  'setcookie',
  'secret',
  'secrets',
  'key',
  'apikey',
  'xapikey',
  'privatekey',
  'signature',
  'credential',
  'credentials',
  'databaseurl',
  'connectionstring',
  'rawheaders',
  'rawtrailers',
  'email',
  'emails',
  'emailaddress',
  'body',
  'rawbody',
  'requestbody',
  'lat',
  'lon',
  'lng',
  'latitude',
  'longitude',
  'latlng',
  'position',
  'positions',
  'coordinate',
  'coordinates'
])
const SECRET_ENDINGS = /(?:password|token|secret|apikey|privatekey|cookie|email)$/

const known = new Map<string, boolean>()
/** Names come from code, so they are few; the limit protects memory from names taken from input. */
const KNOWN_NAMES_AT_MOST = 1000

/** Whether the value under this name must not be logged. */
export function isSecretName (name: string): boolean {
  let secret = known.get(name)
  if (secret === undefined) {
    const bare = name.replace(/[-_\s]/g, '').toLowerCase()
    secret = SECRET_NAMES.has(bare) || SECRET_ENDINGS.test(bare)
    if (known.size < KNOWN_NAMES_AT_MOST && name.length <= 100) known.set(name, secret)
  }
  return secret
}

/** A cheap test that is true for every text in which one of the patterns below could match. */
const SUSPICIOUS = /@|%40|eyJ|rt[cr]?_|bearer|basic|passw|secret|token|api.?key|authorization|cookie/i

/*
 * Each takes linear time: an e-mail address begins at the start of a word (the look-behind), so no character is tried
 * as a start twice. `fastify@5.12.0` in a path is not an address, because its last part has only digits.
 */
const PATTERNS: Array<[RegExp, string]> = [
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@"']*@/gi, `$1${REDACTED}@`],
  [/\beyJ[\w-]{4,}(?:\.[\w-]*)+/g, REDACTED],
  [/\brt[cr]?_[\w-]{6,}/g, REDACTED],
  [/\b(bearer)\s+[\w.~+/=-]{6,}/gi, `$1 ${REDACTED}`],
  [/\b(basic)\s+[a-z0-9+/]{8,}={0,2}(?![\w])/gi, `$1 ${REDACTED}`],
  [
    /\b((?:password|passwd|secret|(?:access_|refresh_)?token|api[-_]?key|authorization|(?:set-)?cookie)["']?\s{0,4}[=:]\s{0,4}["']?)(?!\[redacted\])[^\s"',;&)}\]]{1,4096}/gi,
    `$1${REDACTED}`
  ],
  [/(?<![\p{L}\p{N}._%+'-])[\p{L}\p{N}._%+'-]+(?:@|%40)(?:[\p{L}\p{N}-]+\.)+[\p{L}]{2,}/giu, REDACTED]
]

/** Redacts addresses, tokens and passwords in free text: the message or stack of an error, a logged string. */
export function redactText (text: string): string {
  if (!SUSPICIOUS.test(text)) return text
  for (const [pattern, replacement] of PATTERNS) text = text.replace(pattern, replacement)
  return text
}

/** How tokens begin. */
export const TOKEN = /eyJ|rt[cr]?_/
const ADDRESS = /@|%40/

/**
 * A path without segments that contain an `@`, which may be e-mail addresses, and without tokens, which a client may
 * use as an id by mistake.
 */
export function redactPath (path: string): string {
  if (!ADDRESS.test(path) && !TOKEN.test(path)) return path
  return path.split('/').map((segment) => ADDRESS.test(segment) ? REDACTED : redactText(segment)).join('/')
}
