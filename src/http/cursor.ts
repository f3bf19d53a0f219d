import { unfit } from '../errors.ts'

/** A cursor for the position after a page of `list`, opaque to clients. */
export function cursorOf (list: string, ...parts: string[]): string {
  return Buffer.from(JSON.stringify([list, ...parts])).toString('base64url')
}

/**
 * The parts of a cursor made by `cursorOf` for the same `list`, each matching its pattern in `forms`.
 * @throws AppError REQUEST_VALIDATION_ERROR for anything else, a cursor of another list included
 */
export function readCursor (cursor: string, list: string, ...forms: RegExp[]): string[] {
  try {
    const [of, ...parts] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[]
    const isWhole =
      parts.length === forms.length &&
      forms.every((form, index) => typeof parts[index] === 'string' && form.test(parts[index]))
    if (of === list && isWhole && cursorOf(list, ...parts as string[]) === cursor) return parts as string[]
  } catch {
    // Not JSON: the same error.
  }
  throw unfit('cursor', 'querystring', 'is not one this list gave')
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The page of `rows`, which were read with one more than `limit` to tell whether there is a next page. */
export function pageOf<Row> (
  rows: Row[],
  limit: number,
  cursorAfter: (row: Row) => string
): { items: Row[]; next_cursor: string | null } {
  const items = rows.length > limit ? rows.slice(0, limit) : rows
  const last = items.at(-1)
  return { items, next_cursor: rows.length > limit && last !== undefined ? cursorAfter(last) : null }
}
