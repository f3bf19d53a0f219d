import { EARTH_RADIUS_M } from './distance.ts'
import type { Positions } from './distance.ts'
import { SHORTEST_STOP_S, STANDING_M_PER_S } from './moving.ts'

/** Positions are averaged over this many seconds before and after: noise averages out, a way does not. */
const SMOOTHING_S = 2.5
/** The way along the averages is looked at over as many seconds. */
const LAG_S = SHORTEST_STOP_S / 2
/** Fewer positions than one in so many seconds do not tell noise from a way. */
const SPARSE_S = 2.5
/** In a slow stretch, only a place this far from the last counted one, in metres, is another place. */
const ANOTHER_PLACE_M = 5
/** A way is noise if it is longer than that along the averages by this factor and so many metres. */
const NOISE_FACTOR = 1.5
const NOISE_M = 3

/** Positions as metres east and north of the first. */
interface Plane {
  /** The rows with a distance. */
  rows: number[]
  eastM: Float64Array
  northM: Float64Array
  /** Averaged. */
  meanEastM: Float64Array
  meanNorthM: Float64Array
}

/**
 * The distance along the positions without the noise of standing. A stretch of at least 10 s in which the averaged
 * positions move slower than 0.5 m/s covers what its places at least 5 m apart cover, if its positions tell much more
 * than their averages.
 */
export function withoutJitter (positions: Positions, distanceM: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const plane = planeOf(positions, distanceM)
  const { rows } = plane
  const spanS = rows.length < 2 ? 0 : positions.timeS[rows.at(-1)!]! - positions.timeS[rows[0]!]!
  if (spanS < SHORTEST_STOP_S || spanS > SPARSE_S * (rows.length - 1)) return distanceM
  const steadyM = new Float64Array(distanceM.length).fill(Number.NaN)
  let removedM = 0
  let next = 0
  for (const { from, to } of slowStretches(positions.timeS, plane)) {
    for (; next <= from; next++) steadyM[rows[next]!] = distanceM[rows[next]!]! - removedM
    const startM = distanceM[rows[from]!]! - removedM
    const toldM = distanceM[rows[to]!]! - distanceM[rows[from]!]!
    if (toldM <= NOISE_FACTOR * averagedWayM(positions.timeS, plane, from, to) + NOISE_M) continue
    const coveredM = placesM(plane, from, to)
    for (; next <= to; next++) steadyM[rows[next]!] = startM + coveredM[next - from]!
    removedM += toldM - coveredM[to - from]!
  }
  for (; next < rows.length; next++) steadyM[rows[next]!] = distanceM[rows[next]!]! - removedM
  return removedM > 0 ? steadyM : distanceM
}

function planeOf ({ timeS, latitudeDeg, longitudeDeg }: Positions, distanceM: Float64Array): Plane {
  const rows: number[] = []
  for (let i = 0; i < distanceM.length; i++) if (!Number.isNaN(distanceM[i]!)) rows.push(i)
  const eastM = new Float64Array(rows.length)
  const northM = new Float64Array(rows.length)
  const perDegree = EARTH_RADIUS_M * Math.PI / 180
  const latitude = rows.length > 0 ? latitudeDeg[rows[0]!]! : 0
  const longitude = rows.length > 0 ? longitudeDeg[rows[0]!]! : 0
  const shrink = Math.cos(latitude * Math.PI / 180)
  for (const [k, row] of rows.entries()) {
    const east = longitudeDeg[row]! - longitude
    eastM[k] = (east > 180 ? east - 360 : east < -180 ? east + 360 : east) * shrink * perDegree
    northM[k] = (latitudeDeg[row]! - latitude) * perDegree
  }
  return { rows, eastM, northM, meanEastM: averaged(timeS, rows, eastM), meanNorthM: averaged(timeS, rows, northM) }
}

/** The stretches, as places in `rows`, in which the averaged positions move slower than somebody who goes. */
function slowStretches (timeS: Float64Array, plane: Plane): Array<{ from: number, to: number }> {
  const { rows } = plane
  const wayM = (from: number, to: number): number => betweenM(plane, from, to)
  const time = (k: number): number => timeS[rows[k]!]!
  const stretches: Array<{ from: number, to: number }> = []
  let [middle, to] = [0, 0]
  for (let from = 0; from < rows.length; from++) {
    while (middle < rows.length && time(middle) - time(from) < LAG_S) middle++
    while (to < rows.length && time(to) - time(from) < SHORTEST_STOP_S) to++
    if (to >= rows.length) break
    const lastsS = time(to) - time(from)
    if (wayM(from, middle) + wayM(middle, to) >= STANDING_M_PER_S * lastsS) continue
    const last = stretches.at(-1)
    if (last && from <= last.to) last.to = to
    else stretches.push({ from, to })
  }
  return stretches
}

/** The metres between two averaged positions. */
function betweenM ({ meanEastM, meanNorthM }: Plane, from: number, to: number): number {
  return Math.hypot(meanEastM[to]! - meanEastM[from]!, meanNorthM[to]! - meanNorthM[from]!)
}

/** The way along the averages of a stretch, from one to that 5 s after it. */
function averagedWayM (timeS: Float64Array, plane: Plane, from: number, to: number): number {
  const { rows } = plane
  let total = 0
  let last = from
  for (let k = from + 1; k <= to; k++) {
    if (k < to && timeS[rows[k]!]! - timeS[rows[last]!]! < LAG_S) continue
    total += betweenM(plane, last, k)
    last = k
  }
  return total
}

function averaged (timeS: Float64Array, rows: number[], values: Float64Array): Float64Array {
  const means = new Float64Array(rows.length)
  let [from, to, sum] = [0, 0, 0]
  for (let k = 0; k < rows.length; k++) {
    const at = timeS[rows[k]!]!
    while (to < rows.length && timeS[rows[to]!]! <= at + SMOOTHING_S) sum += values[to++]!
    while (timeS[rows[from]!]! < at - SMOOTHING_S) sum -= values[from++]!
    means[k] = sum / (to - from)
  }
  return means
}

/**
 * The metres from place to place since the start of a stretch, at each of its rows. The places are averaged positions;
 * its end is one.
 */
function placesM ({ eastM, northM, meanEastM, meanNorthM }: Plane, from: number, to: number): Float64Array {
  const coveredM = new Float64Array(to - from + 1)
  let [east, north] = [eastM[from]!, northM[from]!]
  for (let k = from + 1; k <= to; k++) {
    const [nextEast, nextNorth] = k === to ? [eastM[k]!, northM[k]!] : [meanEastM[k]!, meanNorthM[k]!]
    const awayM = Math.hypot(nextEast - east, nextNorth - north)
    const isPlace = awayM >= ANOTHER_PLACE_M || k === to
    coveredM[k - from] = coveredM[k - 1 - from]! + (isPlace ? awayM : 0)
    if (isPlace) [east, north] = [nextEast, nextNorth]
  }
  return coveredM
}
