import { isTimeZone } from '../src/domain/local-day.ts'

/**
 * The formats that schemas may name. They are stricter than the usual ones, which accept the year 0000, leap seconds
 * and `urn:uuid:…`: neither PostgreSQL nor `Date` accepts those. Every regular expression takes linear time.
 */
export const FORMATS = {
  date: isDay,
  'date-time': isMoment,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  'email-address': isEmailAddress,
  'time-zone': isTimeZone,
  uri: true
} as const

const DAY = /^\d{4}-\d\d-\d\d$/
const MOMENT = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/

/** Whether `text` is an existing day, from 1900 to 2199. */
export function isDay (text: string): boolean {
  if (!DAY.test(text)) return false
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8))]
  return (
    year >= 1900 &&
    year < 2200 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= (month === 2 && isLeap(year) ? 29 : DAYS_IN[month - 1]!)
  )
}

const DAYS_IN = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function isLeap (year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

/** Whether `text` is a date and time with its offset, as in RFC 3339, with a capital T and Z. */
export function isMoment (text: string): boolean {
  const match = MOMENT.exec(text)
  return match !== null && isDay(match[1] as string)
}

/**
 * Whether `spelling` is a plausible e-mail address: one @, no white space or control characters, a valid domain. It is
 * checked in the normalized form in which it is compared, so that no look-alike becomes an @ afterwards.
 */
export function isEmailAddress (spelling: string): boolean {
  const text = spelling.normalize('NFKC')
  if (text.length > 254) return false
  const at = text.lastIndexOf('@')
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)]
  return (
    at > 0 &&
    local.length <= 64 &&
    /^[^\s\p{C}<>()[\]\\,;:"@]+$/u.test(local) &&
    !/^\.|\.$|\.\./.test(local) &&
    isDomain(domain)
  )
}

function isDomain (domain: string): boolean {
  return domain
    .split('.')
    .every(
      (label) => label.length > 0 && label.length <= 63 && /^[\p{L}\p{N}\p{M}-]+$/u.test(label) && !/^-|-$/.test(label)
    )
}

export { isTimeZone }
