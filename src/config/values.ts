import { isIP } from 'node:net'
import { missingPart, readDatabaseUrl } from './database-url.ts'
import type { Setting } from './settings.ts'

/**
 * A variable's parsed value, or the problem with its text. A problem never repeats the text: it may be a secret that
 * was put into the wrong variable.
 */
export type Reading = { value: unknown } | { problem: string }

type Read = (text: string, setting: Setting) => Reading

const INTEGER = /^-?(?:0|[1-9]\d*)$/
const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

const READINGS: Record<Setting['reads'], Read> = {
  text: (text) => ({ value: text }),
  integer: (text, setting) => INTEGER.test(text) ? { value: Number(text) } : unexpected(setting),
  seconds: (text, setting) => DECIMAL.test(text) ? { value: Number(text) } : unexpected(setting),
  boolean (text, setting) {
    const word = text.toLowerCase()
    return word === 'true' || word === 'false' ? { value: word === 'true' } : unexpected(setting)
  },
  choice: (text, setting) => ({ value: setting.anyCase ? text.toUpperCase() : text }),
  origins: readOrigins,
  proxies: readProxies,
  postgres: readPostgresUrl,
  secrets: readSecrets,
  issuer: readIssuer
}

/**
 * Parses the text of one variable, strictly: `1e3` or ` 5` is not a number. The schema checks ranges.
 */
export function readValue (text: string, setting: Setting): Reading {
  if (text.includes('\0')) return { problem: 'contains a NUL byte' }
  return READINGS[setting.reads](text, setting)
}

/** The problem of a value outside the range of its schema. */
export function unexpected (setting: Setting): { problem: string } {
  return { problem: `expected ${setting.expected ?? 'printable characters'}` }
}

function entries (text: string): string[] {
  return text.split(',').map((entry) => entry.trim())
}

function readOrigins (text: string, setting: Setting): Reading {
  if (text.trim() === '*') return { value: '*' }
  const origins = entries(text)
  const problems = origins.flatMap((entry, index) => {
    const problem = originProblem(entry)
    return problem === undefined ? [] : [`entry ${index + 1} ${problem}`]
  })
  if (problems.length > 0) return { problem: `${unexpected(setting).problem}; ${problems.join('; ')}` }
  return { value: [...new Set(origins)] }
}

/** Why no browser would send `entry` as its `Origin`, and which form it would send; undefined if it would. */
function originProblem (entry: string): string | undefined {
  if (entry === '') return 'is empty'
  if (entry.includes('*')) return 'contains *, which is allowed only alone and means any origin'
  const url = parseUrl(entry)
  if (!url || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(entry)) {
    return 'does not begin with http:// or https:// and a host'
  }
  // An origin has no user name and password, so the suggested form never repeats them.
  return url.origin === entry ? undefined : `is not in the form that browsers send: write ${url.origin}`
}

function readProxies (text: string, setting: Setting): Reading {
  const word = text.trim().toLowerCase()
  if (word === 'false') return { value: false }
  if (word === 'true') {
    return {
      problem:
        'true would trust any client; give the addresses or CIDRs of the proxies, or their number'
    }
  }
  if (INTEGER.test(word)) return { value: word === '0' ? false : Number(word) }
  const proxies = entries(text)
  const wrong = proxies.findIndex((entry) => !isNetwork(entry))
  if (wrong >= 0) return { problem: `${unexpected(setting).problem}; entry ${wrong + 1} is neither an address nor a CIDR` }
  return { value: proxies }
}

/** Whether `entry` is an IP address or a CIDR block. */
function isNetwork (entry: string): boolean {
  const [address = '', prefix, ...more] = entry.split('/')
  const version = address.includes('%') ? 0 : isIP(address)
  if (version === 0 || more.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

function readPostgresUrl (text: string, setting: Setting): Reading {
  const read = readDatabaseUrl(text)
  const problem = 'problem' in read ? read.problem : missingPart(read)
  return problem === undefined ? { value: text } : { problem: `${problem}; ${unexpected(setting).problem}` }
}

function readSecrets (text: string, setting: Setting): Reading {
  const secrets = entries(text)
  const short = secrets.flatMap((secret, index) => Buffer.byteLength(secret) < 32 ? [index + 1] : [])
  if (short.length === 0) return { value: [...new Set(secrets)] }
  if (secrets.length === 1) return { problem: `is too short; ${unexpected(setting).problem}` }
  return {
    problem: `secret ${short.join(', ')} of ${secrets.length} is too short (a comma separates secrets); ${unexpected(setting).problem}`
  }
}

function readIssuer (text: string, setting: Setting): Reading {
  const url = parseUrl(text)
  const fits =
    url &&
    /^https?:$/.test(url.protocol) &&
    /^https?:\/\//.test(text) &&
    !/[?#\s]/.test(text) &&
    url.username === '' &&
    url.password === ''
  return fits ? { value: text } : unexpected(setting)
}

/** `text` as a URL, or undefined; Node 20 has no `URL.parse`. */
export function parseUrl (text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
