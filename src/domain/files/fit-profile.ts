import { Profile, Utils } from '@garmin/fitsdk'

// What reading and writing FIT take from the profile of the official SDK.

export const SEMICIRCLES_PER_DEGREE = 2 ** 31 / 180

/** Milliseconds since 1970: FIT counts seconds from the end of 1989. */
export function timeMsOf (seconds: number): number {
  return seconds * 1000 + Utils.FIT_EPOCH_MS
}

/** How a field of a record is scaled: `value = raw / scale − offset`. */
export function scaleOf (number: number): { scale: number, offset: number } {
  const { scale, offset } = Profile.messages[Profile.MesgNum.RECORD!]!.fields[number]!
  return { scale: single(scale), offset: single(offset) }
}

/** Where a field has components, its profile has lists. */
function single (value: number | readonly number[]): number {
  return typeof value === 'number' ? value : value[0]!
}
