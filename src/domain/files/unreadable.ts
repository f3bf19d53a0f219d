import { AppError } from '../../errors.ts'

/** The file cannot be taken, and why, in a sentence for its owner: 422. */
export function unreadable (message: string, cause?: unknown): AppError {
  return new AppError('UNREADABLE_FILE', message, { cause })
}

/** `1 point`, `2 points`. */
export function counted (count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Text of a file made fit to keep: no control characters, at most 200 characters; null where nothing is left. */
export function tidyText (text: unknown): string | null {
  if (typeof text !== 'string') return null
  // eslint-disable-next-line no-control-regex
  const tidy = text.slice(0, 1000).replaceAll(/[\u0000-\u001f\u007f-\u009f\ufffd\s]+/g, ' ').trim()
  // By whole characters: half of a pair of surrogates is no text that a database takes.
  return (
    Array.from(tidy)
      .filter((character) => !/^[\ud800-\udfff]$/.test(character))
      .slice(0, 200)
      .join('')
      .trim() || null
  )
}
