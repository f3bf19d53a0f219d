import { setImmediate } from 'node:timers/promises'

/** After so long, other requests have the event loop; an item that takes longer is not interrupted. */
const TURN_MS = 4

/** Lets other requests have the event loop where this has had it for long enough. */
export type TakeTurns = () => Promise<void> | undefined

/** Counts from now. The promise is there where it is somebody else's turn. */
export function takeTurns (): TakeTurns {
  let since = performance.now()
  return () => performance.now() - since < TURN_MS
    ? undefined
    : setImmediate().then(() => { since = performance.now() })
}

/** Fewer items are no reason to wait for a turn. */
const FEW = 20

/** As `items.map(work)`, for work that is short for each item and long for all. */
export async function mapInTurns<Item, Result> (
  items: readonly Item[],
  work: (item: Item, index: number) => Result
): Promise<Result[]> {
  const results: Result[] = []
  // What was done before, such as reading the rows, has had its part of this turn.
  if (items.length > FEW) await setImmediate()
  const next = takeTurns()
  for (const [index, item] of items.entries()) {
    const turn = next()
    if (turn !== undefined) await turn
    results.push(work(item, index))
  }
  return results
}
