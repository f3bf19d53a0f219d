import { Encoder, Profile } from '@garmin/fitsdk'

const SEMICIRCLES_PER_DEGREE = 2 ** 31 / 180

/** Writes a FIT file message by message with the official encoder. */
export function fitWriter () {
  const encoder = new Encoder()
  const write = (name, fields) => encoder.onMesg(Profile.MesgNum[name], { mesgNum: Profile.MesgNum[name], ...fields })
  return {
    write,
    /** A point of a run: position in degrees, distance and altitude in m, speed in m/s. */
    record (timestamp, { lat, lon, distance, altitude, heartRate, cadence, speed }) {
      write('RECORD', {
        timestamp,
        positionLat: Math.round(lat * SEMICIRCLES_PER_DEGREE),
        positionLong: Math.round(lon * SEMICIRCLES_PER_DEGREE),
        distance,
        enhancedAltitude: altitude,
        enhancedSpeed: speed,
        heartRate,
        cadence
      })
    },
    /** The bytes. */
    close: () => encoder.close()
  }
}
