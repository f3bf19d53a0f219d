import type { Sport, SubSport } from './sports.ts'

/**
 * What was measured, a column each, all of one length and in order of time. NaN is a gap: not measured, or not
 * believable. Typed arrays: eight bytes a value, whatever it is, and nothing for the collector to look through.
 */
export interface Columns {
  /** Seconds since the start of the recording; strictly increasing, never NaN. */
  timeS: Float64Array<ArrayBuffer>
  /** WGS 84. Both or neither. */
  latitudeDeg: Float64Array<ArrayBuffer>
  longitudeDeg: Float64Array<ArrayBuffer>
  altitudeM: Float64Array<ArrayBuffer>
  heartRateBpm: Float64Array<ArrayBuffer>
  /** Steps of both feet per minute; for sports without steps the device's own figure per minute. */
  cadenceSpm: Float64Array<ArrayBuffer>
  speedMPerS: Float64Array<ArrayBuffer>
  powerW: Float64Array<ArrayBuffer>
  /**
   * Distance since the start; never decreases. The device's, or the great-circle sum of the positions where it gave
   * none.
   */
  distanceM: Float64Array<ArrayBuffer>
}

export const COLUMN_NAMES = [
  'timeS', 'latitudeDeg', 'longitudeDeg', 'altitudeM', 'heartRateBpm', 'cadenceSpm', 'speedMPerS', 'powerW', 'distanceM'
] as const satisfies ReadonlyArray<keyof Columns>

/** One lap as the device cut it. What it did not say is null. */
export interface Lap {
  /** Seconds since the start of the recording. */
  startS: number
  elapsedS: number | null
  /** Seconds with the timer running. */
  timerS: number | null
  distanceM: number | null
  elevationGainM: number | null
  averageHeartRateBpm: number | null
  maxHeartRateBpm: number | null
}

/** A stretch in which the timer was stopped, in seconds since the start of the recording. */
export interface Pause {
  startS: number
  endS: number
}

/** What the watch said of the whole, kept beside what is computed here. A record of the wire. */
export interface DeviceFigures {
  distance_m: number | null
  elapsed_s: number | null
  timer_s: number | null
  elevation_gain_m: number | null
}

/** What the watch said and is used only where the recording has no samples to compute it from. */
export interface DeviceMeans {
  averageHeartRateBpm: number | null
  maxHeartRateBpm: number | null
  averageCadenceSpm: number | null
}

/** A recorded activity, whatever format it came in. Past the decoders nothing knows that there were three. */
export interface Recording {
  sport: Sport
  subSport: SubSport | null
  /** What the file calls it, at most 200 characters. */
  name: string | null
  /** Milliseconds since 1970, UTC. */
  startTime: number
  columns: Columns
  laps: Lap[]
  pauses: Pause[]
  device: DeviceFigures
  deviceMeans: DeviceMeans
  /** The make of the device or program, as far as the file tells. */
  deviceName: string | null
  /** What was wrong with the file and done about it, in sentences for its owner. */
  warnings: string[]
}

export const NO_DEVICE_FIGURES: Readonly<DeviceFigures> = {
  distance_m: null,
  elapsed_s: null,
  timer_s: null,
  elevation_gain_m: null
}
export const NO_DEVICE_MEANS: Readonly<DeviceMeans> = {
  averageHeartRateBpm: null,
  maxHeartRateBpm: null,
  averageCadenceSpm: null
}

/** Columns of `length` rows in which everything but time is a gap. */
export function emptyColumns (length: number): Columns {
  const gap = (): Float64Array<ArrayBuffer> => new Float64Array(length).fill(Number.NaN)
  return {
    timeS: new Float64Array(length),
    latitudeDeg: gap(),
    longitudeDeg: gap(),
    altitudeM: gap(),
    heartRateBpm: gap(),
    cadenceSpm: gap(),
    speedMPerS: gap(),
    powerW: gap(),
    distanceM: gap()
  }
}
