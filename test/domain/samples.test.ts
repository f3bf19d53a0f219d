import t from 'tap'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { decode, formatOf } from '../../src/domain/files/decode.ts'
import { summaryOf } from '../../src/domain/training/summary.ts'

// Real recordings, stored beside the project, not in it.
const SAMPLES = resolve(process.cwd(), '../shared/samples')

if (!existsSync(SAMPLES)) {
  t.plan(0, `skipped: there are no samples in ${SAMPLES}`)
} else {
  const read = (path: string) =>
    decode(readFileSync(`${SAMPLES}/${path}`)).map((recording) => ({ recording, summary: summaryOf(recording) }))
  const one = (path: string) => read(path)[0]!

  t.test('the figures match those of the official decoder', async t => {
    for (const [path, records, positions, laps, distance, timer, elapsed, heartRate, ascent] of [
      ['fit/run-bloemendaal.fit', 2197, 2147, 7, 6458, 2160.68, 2195.998, 148, 3],
      ['fit/run-trosku.fit', 2921, 2911, 1, 10_743.64, 2922, 2922, 160, 142],
      ['fit/run-treadmill.fit', 3101, 0, 1, 10_630.37, 3097.789, 3763.503, 145, null]
    ] as const) {
      const { recording: { columns, warnings }, summary } = one(path)
      t.equal(columns.timeS.length, records, path)
      t.equal(columns.latitudeDeg.filter(Number.isFinite).length, positions)
      t.equal(summary.laps_count, laps)
      t.equal(summary.distance_m, distance)
      t.equal(summary.elapsed_s, elapsed)
      t.same(summary.device, { distance_m: distance, elapsed_s: elapsed, timer_s: timer, elevation_gain_m: ascent })
      t.ok(Math.abs(summary.average_heart_rate_bpm! - heartRate) <= 1, `${summary.average_heart_rate_bpm}`)
      t.ok(summary.moving_s <= timer)
      t.same(warnings, [])
    }
    t.equal(one('fit/run-trosku.fit').summary.average_heart_rate_bpm, 160)
  })

  t.test('one activity in several formats agrees within 1 %', async t => {
    for (const [first, ...others] of [
      ['fit/same-4801048867.fit', 'tcx/same-4801048867.tcx', 'gpx/same-4801048867-strava.gpx'],
      ['tcx/same-5039744860.tcx', 'gpx/same-5039744860.gpx']
    ] as const) {
      const expected = one(first).summary
      for (const path of others) {
        const { summary } = one(path)
        for (const name of ['distance_m', 'elapsed_s', 'moving_s', 'average_heart_rate_bpm'] as const) {
          t.ok(
            Math.abs(summary[name]! / expected[name]! - 1) < (name === 'moving_s' ? 0.03 : 0.01),
            `${path} ${name}: ${summary[name]} and ${expected[name]}`
          )
        }
        t.equal(summary.sport, expected.sport)
        t.equal(summary.start_time, expected.start_time)
      }
    }
  })

  t.test('each sample is decoded, or rejected with its kind', async t => {
    const expected: Record<string, RegExp> = {
      'gpx/gpxpy-gpx1.0_with_all_fields.gpx': /fewer than two points/,
      'gpx/gpxpy-gpx1.1_with_extensions.gpx': /no track/,
      'gpx/gpxpy-gpx_with_garmin_extension.gpx': /no track/,
      'gpx/gpxpy-route.gpx': /route/,
      'gpx/gpxpy-unicode.gpx': /no track/,
      'gpx/gpxpy-unicode_with_bom.gpx': /no track/
    }
    for (const folder of ['fit', 'gpx', 'tcx']) {
      for (const name of readdirSync(`${SAMPLES}/${folder}`)) {
        const path = `${folder}/${name}`
        t.equal(formatOf(readFileSync(`${SAMPLES}/${path}`)), folder, path)
        if (expected[path]) {
          t.throws(() => read(path), { code: 'UNREADABLE_FILE', message: expected[path] })
        } else {
          for (const { summary } of read(path)) {
            t.ok(summary.elapsed_s > 0 && summary.moving_s > 0 && summary.moving_s <= summary.elapsed_s, path)
          }
        }
      }
    }
    t.same(
      read('fit/fitparse-sample_mulitple_header.fit').map(({ summary }) => summary.sport),
      ['swimming', 'other', 'cycling', 'other', 'running']
    )
    t.equal(
      one('fit/fitparse-compressed-speed-distance.fit').recording.columns.timeS.length,
      755,
      'compressed timestamps are read'
    )
    const flagged = one('fit/flagged-speed.fit').summary
    t.match(flagged, { distance_m: 31_892.12, elapsed_s: 5220, average_heart_rate_bpm: null, max_heart_rate_bpm: null })
  })

  t.test('each damaged sample is rejected with a clear message, or accepted with a warning', async t => {
    for (const name of readdirSync(`${SAMPLES}/broken`)) {
      try {
        const [{ recording, summary }] = read(`broken/${name}`) as [ReturnType<typeof one>]
        t.ok(recording.warnings.length > 0, `${name}: ${recording.warnings.map(({ message }) => message).join('; ')}`)
        t.ok(summary.elapsed_s > 0)
      } catch (error) {
        t.ok(error instanceof AppError && error.code === 'UNREADABLE_FILE', `${name}: ${(error as Error).message}`)
      }
    }
    t.match(one('broken/bad-crc-strava-android.fit').summary, { distance_m: 11_274.04, elapsed_s: 3558 })
    t.equal(one('broken/unexpected-eof.fit').recording.columns.timeS.length, 14)
  })
}
