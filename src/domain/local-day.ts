const formatters = new Map<string, Intl.DateTimeFormat>()

/** Enough for all zones in which runners live; a formatter takes about 50 µs to create and 1 µs to use. */
const FORMATTERS_KEPT = 600

/**
 * The calendar day, `YYYY-MM-DD`, of `epochMs` in `timeZone`.
 *
 * Throws RangeError for a zone that `isTimeZone` rejects and for an invalid time.
 */
export function localDate (epochMs: number, timeZone: string): string {
  const parts = formatterOf(timeZone).formatToParts(epochMs)
  let year = ''
  let month = ''
  let day = ''
  for (const { type, value } of parts) {
    if (type === 'year') year = value
    else if (type === 'month') month = value
    else if (type === 'day') day = value
  }
  return `${year.padStart(4, '0')}-${month}-${day}`
}

/**
 * Zones that the runtime's ICU accepts beyond those of IANA: Java's short names, of which `BST` is Dhaka's and `IST`
 * Calcutta's, and two zones that IANA never had or has dropped.
 * https://github.com/unicode-org/icu/blob/main/icu4c/source/tools/tzcode/icuzones
 */
const NOT_OF_IANA =
  /^(?:A[CEGRS]T|B[ES]T|C[ANST]T|E[AC]T|I[ES]T|JST|MIT|N[ES]T|P[LNRS]T|SST|VST|SystemV\/.*|US\/Pacific-New)$/i

const NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/

/**
 * Whether `name` is an IANA time zone that this runtime knows: `Europe/Berlin`, an alias such as `Asia/Calcutta`, or
 * `UTC`. Offsets like `+02:00` are not zones: they have no daylight saving time.
 */
export function isTimeZone (name: string): boolean {
  if (name.length > 64 || !NAME.test(name) || NOT_OF_IANA.test(name)) return false
  try {
    formatterOf(name)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

// The first formatter makes the runtime load its time zones, which takes 13 ms: at startup no request waits for it.
formatterOf('UTC')

function formatterOf (timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit'
    })
    if (formatters.size >= FORMATTERS_KEPT) formatters.clear()
    formatters.set(timeZone, formatter)
  }
  return formatter
}
