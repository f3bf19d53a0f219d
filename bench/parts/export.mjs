import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { ZipFile } from 'yazl'
import { recordingOf } from './recordings.mjs'

const DAY = 0.25
/** Days before those of `recordingOf`: no other activity of the bench is as old. */
const FROM_DAY = -7000

/**
 * An export as Strava gives it, the same for the same seed: `runs` recordings of 20 to 90 minutes, one a day, half of
 * them FIT, all in `.gz`, with their table and pictures.
 */
export async function exportOf ({ runs, seed }) {
  const random = randomOf(seed)
  const zip = new ZipFile()
  const done = buffer(zip.outputStream)
  const rows = ['Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,Max Heart Rate,Relative Effort,Commute,Activity Private Note,Activity Gear,Filename,Competition']
  const add = (name, bytes) => zip.addBuffer(bytes, name, { compress: false, mtime: new Date(0) })
  for (let n = 0; n < runs; n++) {
    const format = n % 2 === 0 ? 'fit' : n % 4 === 1 ? 'gpx' : 'tcx'
    const records = Math.round(1200 + random() * 4200)
    const file = `activities/${8_000_000_000 + n}.${format}.gz`
    add(file, gzipSync(recordingOf(format, { records, variant: (FROM_DAY + n) * DAY }), { level: 6 }))
    rows.push(`${n},,"Run, number ${n}",Run,"Easy.\nIt rained.",${records},,,,false,,Shoes ${Math.floor(n / 200)},${file},${n % 40 === 0}`)
    if (n % 10 === 0) add(`media/${n}.jpg`, Buffer.alloc(20_000, n))
  }
  add('activities.csv', Buffer.from(rows.join('\n')))
  zip.end()
  return await done
}

/** Numbers from 0 up to 1 (mulberry32). */
function randomOf (seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
