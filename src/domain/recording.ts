import type { Sport, SubSport } from './sports.ts'
import type { HeightSource } from './training/elevation.ts'
import type { Warning } from './warnings.ts'

/**
 * The samples by column, all of the same length and in order of time. NaN is a gap: not measured, or implausible. Typed
 * arrays take eight bytes per value and hold nothing for the garbage collector to scan.
 */
export interface Columns {
  /** Seconds since the start of the recording; strictly increasing, never NaN. */
  timeS: Float64Array<ArrayBuffer>
  /** WGS 84. Both or neither. */
  latitudeDeg: Float64Array<ArrayBuffer>
  longitudeDeg: Float64Array<ArrayBuffer>
  altitudeM: Float64Array<ArrayBuffer>
  heartRateBpm: Float64Array<ArrayBuffer>
  /** Steps per minute, both feet counted; for sports without steps the device's own figure per minute. */
  cadenceSpm: Float64Array<ArrayBuffer>
  speedMPerS: Float64Array<ArrayBuffer>
  powerW: Float64Array<ArrayBuffer>
  /**
   * Distance since the start; never decreases. The device's, or the great-circle sum of the positions if the device
   * recorded none.
   */
  distanceM: Float64Array<ArrayBuffer>
}

export const COLUMN_NAMES = [
  'timeS', 'latitudeDeg', 'longitudeDeg', 'altitudeM', 'heartRateBpm', 'cadenceSpm', 'speedMPerS', 'powerW', 'distanceM'
] as const satisfies ReadonlyArray<keyof Columns>

/** One lap as recorded by the device. Unknown values are null. */
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

/** The totals reported by the device, stored beside the computed ones. A record of the API. */
export interface DeviceFigures {
  distance_m: number | null
  elapsed_s: number | null
  timer_s: number | null
  elevation_gain_m: number | null
}

/** The means reported by the device, used only if the recording has no samples to compute them from. */
export interface DeviceMeans {
  averageHeartRateBpm: number | null
  maxHeartRateBpm: number | null
  averageCadenceSpm: number | null
}

/** A recorded activity, independent of its file format. Only the decoders know that there are three. */
export interface Recording {
  sport: Sport
  subSport: SubSport | null
  /** The name in the file, at most 200 characters. */
  name: string | null
  /** Milliseconds since 1970, UTC. */
  startTime: number
  columns: Columns
  laps: Lap[]
  pauses: Pause[]
  device: DeviceFigures
  deviceMeans: DeviceMeans
  /** The device or program that made the recording, if the file names it. */
  deviceName: string | null
  /** What measured the heights; unknown where it is absent. */
  heightSource?: HeightSource
  /** Whether the clock of the device was wrong: its own totals, which count from a wrong start, are then not used. */
  clockRepaired?: boolean
  /** Whether the totals of the device are only the sums of its laps, as in TCX. */
  deviceSummed?: boolean
  /** Problems found in the file and how they were handled. */
  warnings: Warning[]
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

/** Columns of `length` rows in which every value except the time is a gap. */
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
