/** Values over time, known at some moments and running straight between them. */
export interface Curve {
  /** Strictly increasing. */
  timeS: Float64Array
  values: Float64Array
}

/** The curve of a column: its gaps are bridged. Moments that are not later than the one before are left out. */
export function curveOf (timeS: Float64Array, column: Float64Array): Curve {
  const times = new Float64Array(column.length)
  const values = new Float64Array(column.length)
  let length = 0
  for (let i = 0; i < column.length; i++) {
    if (Number.isNaN(column[i]!) || (length > 0 && !(timeS[i]! > times[length - 1]!))) continue
    times[length] = timeS[i]!
    values[length] = column[i]!
    length++
  }
  return { timeS: times.subarray(0, length), values: values.subarray(0, length) }
}

/** The value at a moment; before the first and after the last one known, theirs. 0 where none is known. */
export function valueAt ({ timeS, values }: Curve, atS: number): number {
  const next = firstFrom(timeS, atS)
  if (next === timeS.length) return values.at(-1) ?? 0
  if (next === 0) return values[0]!
  const share = (atS - timeS[next - 1]!) / (timeS[next]! - timeS[next - 1]!)
  return values[next - 1]! + (values[next]! - values[next - 1]!) * share
}

/** When a curve that never decreases first reaches `value`; undefined where it never does. */
export function momentOf ({ timeS, values }: Curve, value: number): number | undefined {
  const next = firstFrom(values, value)
  if (next === values.length) return undefined
  if (next === 0) return timeS[0]!
  const share = (value - values[next - 1]!) / (values[next]! - values[next - 1]!)
  return timeS[next - 1]! + (timeS[next]! - timeS[next - 1]!) * share
}

/** The place of the first of these, which never decrease, that is not under `limit`. */
function firstFrom (ordered: Float64Array, limit: number): number {
  let from = 0
  let to = ordered.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (ordered[middle]! < limit) from = middle + 1
    else to = middle
  }
  return from
}
