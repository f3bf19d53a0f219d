import type { Sport } from '../sports.ts'

/** What an export says of an activity beside its recording. Null: nothing. */
export interface ExportDetails {
  /** At most 200 characters. */
  name: string | null
  /** At most 10,000 characters. */
  notes: string | null
  /** The name of the shoes or the bicycle, at most 200 characters. */
  gear: string | null
  is_race: boolean
  /** What the runner calls it there; null where that is not known. */
  sport: Sport | null
}

const MAX_NOTES = 10_000

/** A text of several lines, cleaned for storage; null if nothing is left. */
export function tidyNotes (text: unknown): string | null {
  if (typeof text !== 'string') return null
  const tidy = text
    .slice(0, 2 * MAX_NOTES)
    .replaceAll(/\r\n?/g, '\n')
    // eslint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffd]/g, ' ')
  // By code points: the database rejects half of a surrogate pair.
  const whole = Array.from(tidy).filter((character) => !/^[\ud800-\udfff]$/.test(character))
  return whole.join('').trim().slice(0, MAX_NOTES).replace(/[\ud800-\udbff]$/, '').trim() || null
}
