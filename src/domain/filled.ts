// `Float64Array.from` with a function takes ten times as long as a loop.

/** A column with the value of each row. */
export function filled (length: number, valueAt: (row: number) => number): Float64Array<ArrayBuffer> {
  const column = new Float64Array(length)
  for (let row = 0; row < length; row++) column[row] = valueAt(row)
  return column
}

/** The middle one of the steps from each value to the next, by size; 0 where there is none. */
export function medianStep (count: number, stepAt: (row: number) => number): number {
  const steps = filled(Math.max(0, count - 1), stepAt).sort()
  return steps[steps.length >> 1] ?? 0
}
