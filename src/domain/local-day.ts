const formatters = new Map<string, Intl.DateTimeFormat>()

/** As many zones as runners really live in are kept; a formatter costs some 50 µs to make and 1 µs to use. */
const FORMATTERS_KEPT = 600

/**
 * The calendar day, `YYYY-MM-DD`, on which `epochMs` falls for somebody in `timeZone`.
 *
 * Throws RangeError for a zone that `isTimeZone` refuses or a time that is no time.
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
 * What ICU, which the runtime asks, takes for zones beyond those of IANA: Java's short names, of which `BST` is Dhaka's
 * and `IST` Calcutta's, and two zones that IANA never had or has no more.
 * https://github.com/unicode-org/icu/blob/main/icu4c/source/tools/tzcode/icuzones
 */
const NOT_OF_IANA =
  /^(?:A[CEGRS]T|B[ES]T|C[ANST]T|E[AC]T|I[ES]T|JST|MIT|N[ES]T|P[LNRS]T|SST|VST|SystemV\/.*|US\/Pacific-New)$/i

/**
 * Whether `name` is an IANA time zone that this runtime knows: `Europe/Berlin`, an alias such as `Asia/Calcutta`, or
 * `UTC`. Offsets like `+02:00` are none: they know nothing of summer time.
 */
export function isTimeZone (name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/.test(name) || name.length > 64 || NOT_OF_IANA.test(name)) { return false }
  try {
    formatterOf(name)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

// The first one that is made has the runtime read its time zones, for 13 ms: before there are requests that would wait
// for it.
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
