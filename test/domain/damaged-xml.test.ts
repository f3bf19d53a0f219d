import t from 'tap'
import { decode } from '../../src/domain/files/decode.ts'
import { figuresOf } from '../../src/domain/training/summary.ts'
import { madeAs, straight } from '../harness/fixtures/kinds.ts'
import { bytesOf } from '../harness/fixtures/recordings.ts'
import { random } from '../harness/fuzz-corpus.ts'

// A run of which one element is damaged is read around it: nothing is lost but a few points.

const POINTS = straight(200, { step: 1, more: { ele: 100, hr: 150, cad: 84 } })
const MADE = { points: POINTS, laps: [{ from: 0, timer: 200, dist: 600, points: POINTS.length }] }
const TEXTS = {
  gpx: Buffer.from(madeAs('gpx', MADE)).toString(),
  tcx: Buffer.from(madeAs('tcx', MADE)).toString()
}

/** Reads the text and answers what is wrong with its figures. */
function wrong (text: string | Buffer, what: string): string | undefined {
  let recordings
  try {
    recordings = decode(typeof text === 'string' ? bytesOf(text) : new Uint8Array(text))
  } catch (error) {
    return `${what}: ${(error as Error).message}`
  }
  const { summary: { distance_m: distanceM, elapsed_s: elapsedS } } = figuresOf(recordings[0]!)
  const isRight = recordings.length === 1 && Math.abs(distanceM! - 600) <= 15 && Math.abs(elapsedS - 200) <= 5 &&
    recordings[0]!.columns.timeS.length >= POINTS.length - 5
  return isRight ? undefined : `${what}: ${recordings.length} activities, ${distanceM} m in ${elapsedS} s, ${recordings[0]!.columns.timeS.length} points`
}

t.test('an element that is damaged in one place costs nothing but its own values', async (t) => {
  const damages: Array<[format: 'gpx' | 'tcx', from: string, to: string]> = [
    ['gpx', '<trkpt ', '<trkp '], ['gpx', '<trkpt ', '<trkptt '], ['gpx', '<trkpt ', 'trkpt '], ['gpx', '<trkpt ', '<trkpt'],
    ['gpx', '<trkpt ', '<!trkpt '], ['gpx', '<trkpt ', '<?trkpt '], ['gpx', '<trkpt ', '</trkpt '], ['gpx', '<trkpt ', '<trk>t '],
    ['gpx', '<trkpt ', '<trkpt ,'], ['gpx', 'lat="', 'lat='], ['gpx', 'lat="', 'lat"'], ['gpx', 'lon="', 'lon="<'], ['gpx', 'lat="', 'lon="'],
    ['gpx', '"><ele>', '"<ele>'], ['gpx', '"><ele>', '><ele>'], ['gpx', '"><ele>', '"/><ele>'],
    ['gpx', '</trkpt>', '</trkpt'], ['gpx', '</trkpt>', '</trkp>'], ['gpx', '</trkpt>', '<trkpt>'], ['gpx', '</trkpt>', '</trkpt/'],
    ['gpx', '</trkpt>', '</trk>t>'],
    ['gpx', '</trkpt>', '</trk?t>'], ['gpx', '</trkpt>', 'x/trkpt>'], ['gpx', '</trkpt>', ''],
    ['gpx', '</time>', '</time'], ['gpx', '</time>', '</tine>'], ['gpx', '</time>', ''], ['gpx', '<time>', '<time'], ['gpx', '<time>', '</time>'],
    ['gpx', '<time>', '<tim>'], ['gpx', '</extensions>', '<extensions>'], ['gpx', '</extensions>', ''],
    ['tcx', '<Trackpoint>', '<Trackpoin>'], ['tcx', '<Trackpoint>', '<Trackpoint'], ['tcx', '<Trackpoint>', '<Track>oint>'],
    ['tcx', '</Trackpoint>', '</Trackpoint'], ['tcx', '</Trackpoint>', ''], ['tcx', '</Time>', '</Time'], ['tcx', '</Time>', '</Tim>'],
    ['tcx', '<Position>', '<Positio>'], ['tcx', '</Position>', '']
  ]
  for (const [format, from, to] of damages) {
    for (const nth of [1, 100, 201]) {
      let seen = 0
      const text = TEXTS[format].replaceAll(from, (found) => ++seen === nth ? to : found)
      if (seen < nth) continue
      t.equal(wrong(text, `${format}: ${from} of point ${nth} is ${to}`), undefined)
    }
  }
})

t.test('one byte that is wrong anywhere in the points leaves nearly all of them', async (t) => {
  const { below } = random(22)
  for (const format of ['gpx', 'tcx'] as const) {
    const bytes = Buffer.from(TEXTS[format])
    const first = bytes.indexOf(format === 'gpx' ? '<trkpt' : '<Trackpoint>')
    const last = bytes.lastIndexOf(format === 'gpx' ? '</trkpt>' : '</Trackpoint>')
    for (let i = 0; i < 60; i++) {
      const at = first + below(last - first)
      const byte = i % 3 === 0 ? below(256) : '<>/"\'=& !?-:tx0'.charCodeAt(below(15))
      const kind = ['changed', 'added', 'lost'][i % 5 === 0 ? 1 : i % 7 === 0 ? 2 : 0]!
      const damaged = kind === 'changed' ? Buffer.from(bytes) : Buffer.concat([bytes.subarray(0, at), Buffer.of(byte).subarray(kind === 'added' ? 0 : 1), bytes.subarray(kind === 'added' ? at : at + 1)])
      if (kind === 'changed') damaged[at] = byte
      const around = JSON.stringify(damaged.subarray(at - 20, at + 20).toString('latin1'))
      t.equal(wrong(damaged, `${format}: byte ${byte} ${kind} at ${at}: ${around}`), undefined)
    }
  }
})

t.test('tags are repaired wherever a document is cut into pieces', async (t) => {
  // The pieces that are parsed end at other places of the document with every shift.
  for (let shift = 0; shift < 24; shift += 4) {
    const text = TEXTS.gpx.replace('<trk>', `<!-- ${'<x>'.repeat(20_000)}${'y'.repeat(shift)} --><trk>`).replace('<trkpt ', '<trkp ')
    t.equal(wrong(text, `shifted by ${shift}`), undefined)
  }
})
