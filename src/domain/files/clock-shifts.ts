/** A clock that is off by less, in ms, is none that was set: points are out of order, or the runner paused. */
const SHIFT_MS = 60_000
/** Two jumps of the clock, there and back, are equally long but for this much, in ms. */
const RETURN_MS = 10_000
/** A recording whose clock jumps more often is damaged otherwise. */
const MOST_JUMPS = 50
/** A block at an end is moved for the totals of the device if it has at most this share of the points. */
const BLOCK_SHARE = 0.25

interface Jump {
  /** The first point after the jump. */
  at: number
  byMs: number
}

/**
 * The times of points in the order of the file, as one clock would tell them: where the clock jumped back, or there and
 * back again, the points told by the clock that most of them have keep their times, and the others are moved by as much
 * as the clock was off. A jump forward alone is a pause.
 */
export function onOneClock (timesMs: Float64Array): { timesMs: Float64Array, moved: number } {
  const usualMs = usualStepMs(timesMs)
  const jumps = jumpsOf(timesMs, usualMs)
  if (jumps.length === 0 || jumps.length > MOST_JUMPS) return { timesMs, moved: 0 }
  const offsets = offsetsOf(jumps)
  const ends = [...jumps.map(({ at }) => at), timesMs.length]
  const counts = new Map<number, number>()
  let from = 0
  ends.forEach((to, block) => {
    counts.set(offsets[block]!, (counts.get(offsets[block]!) ?? 0) + to - from)
    from = to
  })
  const [anchor, most] = [...counts].reduce((best, next) => next[1] > best[1] ? next : best)
  const aligned = timesMs.slice()
  from = 0
  ends.forEach((to, block) => {
    for (let i = from; i < to; i++) aligned[i]! -= offsets[block]! - anchor
    from = to
  })
  return { timesMs: aligned, moved: timesMs.length - most }
}

function jumpsOf (timesMs: Float64Array, usualMs: number): Jump[] {
  const jumps: Jump[] = []
  for (let at = 1; at < timesMs.length && jumps.length <= MOST_JUMPS; at++) {
    const byMs = timesMs[at]! - timesMs[at - 1]! - usualMs
    if (Math.abs(byMs) >= SHIFT_MS) jumps.push({ at, byMs })
  }
  return jumps
}

/** By how much the clock is off before the first jump (0) and after each of them. */
function offsetsOf (jumps: readonly Jump[]): number[] {
  const offsets = [0]
  const open: Array<{ byMs: number, before: number, block: number }> = []
  jumps.forEach(({ byMs }, i) => {
    const before = offsets[i]!
    const there = open.findLastIndex((jump) => Math.abs(jump.byMs + byMs) <= RETURN_MS)
    if (there < 0) {
      open.push({ byMs, before, block: i + 1 })
      offsets.push(byMs < 0 ? before + byMs : before)
      return
    }
    const { byMs: gone, before: back, block } = open[there]!
    // A jump forward was taken for a pause until here, where the clock comes back.
    if (gone > 0) for (let j = block; j <= i; j++) offsets[j]! += gone
    open.length = there
    offsets.push(back)
  })
  return offsets
}

/**
 * Moves a few points at one end next to the others where the device's totals know nothing of the time between them: it
 * is no pause then. Answers how many were moved.
 */
export function movedByTotals (
  timesMs: Float64Array,
  elapsedS: number | null,
  pauses: ReadonlyArray<{ startMs: number, endMs: number }>
): number {
  const count = timesMs.length
  const wantedMs = (elapsedS ?? 0) * 1000
  if (!(wantedMs > 0) || count < 3 || timesMs[count - 1]! - timesMs[0]! - wantedMs < SHIFT_MS) return 0
  const usualMs = usualStepMs(timesMs)
  const isRight = (spanMs: number): boolean => Math.abs(spanMs - wantedMs) <= Math.max(5000, wantedMs * 0.02)
  for (let at = 1; at < count; at++) {
    const [before, after] = [timesMs[at - 1]!, timesMs[at]!]
    const byMs = after - before - usualMs
    if (byMs < SHIFT_MS || !isRight(timesMs[count - 1]! - timesMs[0]! - byMs)) continue
    if (pauses.some(({ startMs, endMs }) => startMs < after && endMs > before)) continue
    const [from, to] = at <= count * BLOCK_SHARE ? [0, at] : [at, count]
    if (to - from > count * BLOCK_SHARE) continue
    for (let i = from; i < to; i++) timesMs[i]! += from === 0 ? byMs : -byMs
    return to - from
  }
  return 0
}

/** The usual time between two points that follow each other. */
function usualStepMs (timesMs: Float64Array): number {
  const steps = timesMs.subarray(1).map((time, i) => time - timesMs[i]!).filter((step) => step > 0 && step < SHIFT_MS)
  return steps.length === 0 ? 1000 : steps.sort()[steps.length >> 1]!
}
