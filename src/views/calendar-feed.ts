import { ICalCalendar, ICalEventStatus, ICalEventTransparency } from 'ical-generator'
import { METRES_PER_KM, METRES_PER_MILE } from '../domain/units.ts'

/** A planned or cancelled workout as an event of a whole day. */
export interface FeedEvent {
  id: string
  date: string
  name: string
  distanceM: number | null
  durationS: number | null
  description: string | null
  stepsText: string | null
  /** How often it was changed. */
  sequence: number
  /** Null: not known any more. */
  createdAt: string | null
  changedAt: string
  cancelled: boolean
}

export type Units = 'metric' | 'imperial'

/** Calendars that follow the hint ask again after this. */
const REFRESH_S = 3600
/** More of a description is left out: calendars show a few lines. */
const MOST_DESCRIPTION = 2000
/** Octets of a line without its break, of which RFC 5545 (3.1) allows 75. */
const LINE_OCTETS = 75
const BREAK = '\r\n'
const DAY_MS = 86_400_000

const END = 'END:VCALENDAR'
/** What a calendar without events has, since one without any component is not valid by RFC 5545 (3.6). */
const NO_EVENTS = [
  'BEGIN:VTIMEZONE', 'TZID:UTC', 'BEGIN:STANDARD', 'DTSTART:19700101T000000', 'TZOFFSETFROM:+0000', 'TZOFFSETTO:+0000',
  'END:STANDARD', 'END:VTIMEZONE', ''
].join(BREAK)

/** The whole feed, of parts that `feedEvents` wrote. */
export function feedOf (parts: readonly string[]): string {
  const head = folded(calendar().toString().slice(0, -END.length))
  return `${head}${parts.length === 0 ? NO_EVENTS : parts.join('')}${END}${BREAK}`
}

/** Some events of the feed. */
export function feedEvents (events: readonly FeedEvent[], units: Units): string {
  const parent = calendar()
  return folded(events.map((event) => parent.createEvent(dataOf(event, units)).toString()).join(''))
}

function calendar (): ICalCalendar {
  return new ICalCalendar({
    prodId: { company: 'Running Trainer', product: 'Calendar Feed', language: 'EN' },
    name: 'Running Trainer',
    ttl: REFRESH_S
  })
}

function dataOf (event: FeedEvent, units: Units) {
  const day = new Date(event.date)
  const description = descriptionOf(event, units)
  return {
    // A UUID, as RFC 7986 (5.3) recommends: the same whatever the address of the service is.
    id: event.id,
    sequence: event.sequence,
    stamp: new Date(event.changedAt),
    lastModified: new Date(event.changedAt),
    created: event.createdAt === null ? null : new Date(event.createdAt),
    // Without a time zone the library writes the UTC day of these, which is the runner's day; the end is exclusive.
    allDay: true,
    start: day,
    end: new Date(day.getTime() + DAY_MS),
    summary: clean(event.name),
    description: description === '' ? null : description,
    status: event.cancelled ? ICalEventStatus.CANCELLED : ICalEventStatus.CONFIRMED,
    transparency: ICalEventTransparency.TRANSPARENT
  }
}

function descriptionOf ({ distanceM, durationS, description, stepsText }: FeedEvent, units: Units): string {
  const totals = [distanceText(distanceM, units), durationText(durationS)].filter((text) => text !== undefined)
  return [totals.join(', '), clipped(description ?? ''), stepsText ?? '']
    .filter((text) => text !== '')
    .map(clean)
    .join('\n\n')
}

function distanceText (metres: number | null, units: Units): string | undefined {
  if (metres === null) return undefined
  const [unit, length] = units === 'imperial' ? ['mi', METRES_PER_MILE] as const : ['km', METRES_PER_KM] as const
  return `${(metres / length).toFixed(1)} ${unit}`
}

function durationText (seconds: number | null): string | undefined {
  if (seconds === null) return undefined
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function clipped (text: string): string {
  // A character has two units at most.
  const points = Array.from(text.slice(0, 2 * MOST_DESCRIPTION + 2))
  return points.length <= MOST_DESCRIPTION ? text : `${points.slice(0, MOST_DESCRIPTION).join('')}…`
}

/**
 * A text without what RFC 5545 (3.1) does not allow in one: controls but tab and line break. The line breaks of Unicode
 * become ordinary ones, since some readers end a line of the file at them.
 */
function clean (text: string): string {
  return text.replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n').replace(/[^\P{Cc}\t\n]/gu, '')
}

/**
 * Folds lines by RFC 5545 (3.1), between characters. The library's own `foldLines` takes 1.5 µs for each character, and
 * so 300 ms for a year of workouts.
 */
function folded (text: string): string {
  return text.split(BREAK).map(foldedLine).join(BREAK)
}

function foldedLine (line: string): string {
  if (Buffer.byteLength(line) <= LINE_OCTETS) return line
  const lines: string[] = []
  let start = 0
  // The space that a continuation begins with counts, too.
  let octets = 0
  for (let i = 0; i < line.length;) {
    const code = line.codePointAt(i)!
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (octets + size > LINE_OCTETS) {
      lines.push(line.slice(start, i))
      start = i
      octets = 1
    }
    octets += size
    i += code < 0x10000 ? 1 : 2
  }
  lines.push(line.slice(start))
  return lines.join(`${BREAK} `)
}
