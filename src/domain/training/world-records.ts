import { HALF_MARATHON_M, MARATHON_M, METRES_PER_MILE } from '../units.ts'

/**
 * The fastest that anybody has run so far, in metres and seconds, on a track or a road, splits on the way included.
 * World Athletics, all-time lists.
 */
const FASTEST: ReadonlyArray<readonly [distanceM: number, timeS: number]> = [
  [100, 9.58],
  [200, 19.19],
  [400, 43.03],
  [800, 100.91],
  [1000, 131.96],
  [1500, 206],
  [METRES_PER_MILE, 223.13],
  [3000, 437.55],
  [2 * METRES_PER_MILE, 474.1],
  [5000, 755.36],
  [10_000, 1571],
  [15_000, 2387],
  [10 * METRES_PER_MILE, 2570],
  [20_000, 3222],
  [HALF_MARATHON_M, 3402],
  [30_000, 5140],
  [MARATHON_M, 7235],
  [100_000, 21_935]
]

/**
 * The least time in which a distance can be run, in seconds: the world record, and between two record distances at the
 * pace that runs from one to the other (straight in the logarithms of both). Below 100 m and beyond 100 km, at the
 * speed of the nearest.
 */
export function recordTimeS (distanceM: number): number {
  const next = FASTEST.findIndex(([record]) => record >= distanceM)
  const [lastM, lastS] = FASTEST.at(-1)!
  if (next === -1) return lastS * distanceM / lastM
  const [overM, overS] = FASTEST[next]!
  if (next === 0) return overS * distanceM / overM
  const [underM, underS] = FASTEST[next - 1]!
  const share = Math.log(distanceM / underM) / Math.log(overM / underM)
  return underS * (overS / underS) ** share
}
