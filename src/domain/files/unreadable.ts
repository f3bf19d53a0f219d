import { AppError } from '../../errors.ts'
import type { HeightSource } from '../training/elevation.ts'

/** The file cannot be imported; `message` tells its owner why: 422. */
export function unreadable (message: string, cause?: unknown): AppError {
  return new AppError('UNREADABLE_FILE', message, { cause })
}

/** `1 point`, `2 points`. */
export function counted (count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A text of a file, cleaned for storage: no control characters, at most 200 characters; null if nothing is left. */
export function tidyText (text: unknown): string | null {
  if (typeof text !== 'string') return null
  // eslint-disable-next-line no-control-regex
  const tidy = text.slice(0, 1000).replaceAll(/[\u0000-\u001f\u007f-\u009f\ufffd\s]+/g, ' ').trim()
  // By code points: the database rejects half of a surrogate pair.
  return (
    Array.from(tidy)
      .filter((character) => !/^[\ud800-\udfff]$/.test(character))
      .slice(0, 200)
      .join('')
      .trim() || null
  )
}

/**
 * What measured the heights, as the name of the device or program tells: Strava adds "with barometer" where there is
 * one, some watches are named so, and telephones take them from GPS.
 */
export function heightSourceOfText (name: string | null): HeightSource {
  if (name === null) return 'unknown'
  return /\bbaro(meter)?\b/i.test(name) ? 'barometer' : /\b(android|iphone|ios)\b/i.test(name) ? 'gps' : 'unknown'
}
