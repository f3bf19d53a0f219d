import { unreadable } from './unreadable.ts'

/** Eleven days of one record per second. A larger file is not an activity, and would only take memory. */
export const MAX_POINTS = 1_000_000

/** The position of each value in a row of the buffer; a point is a row of nine numbers. */
export const TIME = 0
export const LATITUDE = 1
export const LONGITUDE = 2
export const ALTITUDE = 3
export const HEART_RATE = 4
export const CADENCE = 5
export const SPEED = 6
export const POWER = 7
export const DISTANCE = 8
export const WIDTH = 9

/** One point of a file. A missing value or NaN is a gap. */
export interface Point {
  /** Milliseconds since 1970. */
  timeMs: number
  latitudeDeg?: number | undefined
  longitudeDeg?: number | undefined
  altitudeM?: number | undefined
  heartRateBpm?: number | undefined
  /** As in the file: steps of one leg or of both. */
  cadence?: number | undefined
  speedMPerS?: number | undefined
  powerW?: number | undefined
  distanceM?: number | undefined
}

/** The points that a decoder collects: a growing buffer of rows, in any order and of any quality. */
export class PointBuffer {
  length = 0
  // Small at first: a hostile file may contain millions of empty tracks.
  rows = new Float64Array(WIDTH * 16)
  /** The number of points ignored because they have no time. */
  untimed = 0
  /** The number of points ignored because their time cannot be read. */
  unreadableTimes = 0
  /** The number of values that are there and cannot be read. */
  unreadableValues = 0

  push (point: Point): void {
    if (Number.isNaN(point.timeMs)) {
      this.untimed++
      return
    }
    const at = this.#room()
    const { rows } = this
    rows[at + TIME] = point.timeMs
    rows[at + LATITUDE] = point.latitudeDeg ?? Number.NaN
    rows[at + LONGITUDE] = point.longitudeDeg ?? Number.NaN
    rows[at + ALTITUDE] = point.altitudeM ?? Number.NaN
    rows[at + HEART_RATE] = point.heartRateBpm ?? Number.NaN
    rows[at + CADENCE] = point.cadence ?? Number.NaN
    rows[at + SPEED] = point.speedMPerS ?? Number.NaN
    rows[at + POWER] = point.powerW ?? Number.NaN
    rows[at + DISTANCE] = point.distanceM ?? Number.NaN
  }

  /** Adds a row, which is copied. */
  pushRow (row: Float64Array): void {
    if (Number.isNaN(row[TIME]!)) {
      this.untimed++
      return
    }
    const at = this.#room()
    for (let i = 0; i < WIDTH; i++) this.rows[at + i] = row[i]!
  }

  timeMsAt (index: number): number {
    return this.rows[index * WIDTH + TIME]!
  }

  distanceMAt (index: number): number {
    return this.rows[index * WIDTH + DISTANCE]!
  }

  /** The value of a point at one of the places above. */
  valueAt (index: number, place: number): number {
    return this.rows[index * WIDTH + place]!
  }

  /** The points from the first moment up to but excluding the second, as a new buffer. */
  between (fromMs: number, toMs: number): PointBuffer {
    const part = new PointBuffer()
    for (let i = 0; i < this.length; i++) {
      const time = this.timeMsAt(i)
      if (time >= fromMs && time < toMs) part.#copy(this, i)
    }
    return part
  }

  /** Adds the points of another buffer at the end. */
  append (other: PointBuffer): void {
    for (let i = 0; i < other.length; i++) this.#copy(other, i)
    this.untimed += other.untimed
    this.unreadableTimes += other.unreadableTimes
    this.unreadableValues += other.unreadableValues
  }

  #copy (from: PointBuffer, index: number): void {
    const at = this.#room()
    this.rows.set(from.rows.subarray(index * WIDTH, (index + 1) * WIDTH), at)
  }

  /** Reserves space for one more point and returns its offset. */
  #room (): number {
    if (this.length >= MAX_POINTS) throw unreadable(`The file contains more than ${MAX_POINTS} points`)
    const at = this.length++ * WIDTH
    if (at + WIDTH > this.rows.length) {
      const larger = new Float64Array(this.rows.length * 2)
      larger.set(this.rows)
      this.rows = larger
    }
    return at
  }
}
