import t from 'tap'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { decode } from '../../src/domain/files/decode.ts'
import { figuresOf } from '../../src/domain/training/summary.ts'
import type { ActivitySummary } from '../../src/domain/training/summary.ts'
import type { WarningCode } from '../../src/domain/warnings.ts'

// Recordings of kinds that users of other trackers reported, stored beside the project, not in it. The right values are
// those of their README; `reported-kinds.test.ts` tries others of each kind.
const REPORTED = resolve(process.cwd(), '../shared/samples/reported')

type Figure = 'distance_m' | 'elapsed_s' | 'moving_s' | 'elevation_gain_m' | 'average_heart_rate_bpm' |
  'average_cadence_spm' | 'average_pace_s_per_km' | 'grade_adjusted_pace_s_per_km' | 'laps_count'

interface Right {
  figures?: Partial<Record<Figure, number>>
  sport?: string
  day?: string
  warnings?: WarningCode[]
}

/** A height of GPS or a sparse position is right within as much. */
const TOLERANCE: Record<Figure, number> = {
  distance_m: 0.002,
  elapsed_s: 0.001,
  moving_s: 0.001,
  elevation_gain_m: 0.25,
  average_heart_rate_bpm: 0.01,
  average_cadence_spm: 0.01,
  average_pace_s_per_km: 0.02,
  grade_adjusted_pace_s_per_km: 0.02,
  laps_count: 0
}

const FILES: Record<string, Right> = {
  'tcx-pause-between-laps.tcx': { figures: { elapsed_s: 1000, moving_s: 600, distance_m: 1800 } },
  'fit-stop-recorded-while-timer-stood.fit': { figures: { elapsed_s: 660, moving_s: 540 } },
  'gpx-position-repeated-12s.gpx': { figures: { moving_s: 598, average_pace_s_per_km: 333 } },
  'gpx-steep-hike-called-standing.gpx': { figures: { moving_s: 1200, average_pace_s_per_km: 593 } },
  'tcx-lap-distances-cumulative.tcx': { figures: { distance_m: 1440 }, warnings: ['LAPS_CONTRADICTED'] },
  'tcx-lap-time-in-minutes.tcx': { figures: { moving_s: 537 }, warnings: ['TIME_CONTRADICTED'] },
  'fit-session-times-a-thousandth.fit': { figures: { moving_s: 598 }, warnings: ['TIME_CONTRADICTED'] },
  'fit-clock-set-by-first-fix-48-days.fit': { figures: { distance_m: 1764 }, day: '2025-04-12', warnings: ['CLOCK_WRONG'] },
  'fit-first-records-six-days-old.fit': { day: '2025-04-12', warnings: ['CLOCK_WRONG'] },
  'fit-clock-never-set-1989.fit': { figures: { distance_m: 1794 }, warnings: ['CLOCK_NOT_SET'] },
  'gpx-ele-zero-at-the-start.gpx': {
    figures: { elevation_gain_m: 15, grade_adjusted_pace_s_per_km: 333 }, warnings: ['HEIGHTS_IMPOSSIBLE']
  },
  'gpx-ele-one-spike.gpx': {
    figures: { elevation_gain_m: 15, grade_adjusted_pace_s_per_km: 333 }, warnings: ['HEIGHTS_IMPOSSIBLE']
  },
  'gpx-decimal-commas-everywhere.gpx': { figures: { distance_m: 1791, elevation_gain_m: 20 } },
  'gpx-times-in-persian-digits.gpx': { figures: { distance_m: 1791, elapsed_s: 597 }, day: '2025-04-12' },
  'gpx-bare-ampersand-in-name.gpx': { figures: { distance_m: 1791 }, warnings: ['XML_DAMAGED'] },
  'gpx-walk-cadence-of-both-feet.gpx': { figures: { average_cadence_spm: 112 } },
  'dup-a-run.fit': { figures: { distance_m: 1794, moving_s: 598 } },
  'dup-a-run-sport-other.tcx': { figures: { distance_m: 1794, moving_s: 598 } },
  'fit-moved-while-paused-no-distance.fit': { figures: { distance_m: 1794, moving_s: 598 } },
  'gpx-batches-with-one-time-winding.gpx': { figures: { distance_m: 1794 }, warnings: ['TIMES_REPEATED'] },
  'gpx-heart-rates-as-points-times-running-back.gpx': { figures: { distance_m: 828 }, warnings: ['TIMES_OUT_OF_ORDER'] },
  'gpx-a-track-for-each-lap.gpx': { figures: { distance_m: 1800, elapsed_s: 600, laps_count: 3 } },
  'gpx-first-fix-far-away.gpx': { figures: { distance_m: 1782 }, warnings: ['POSITIONS_IMPOSSIBLE'] },
  'gpx-longitude-over-180.gpx': { figures: { distance_m: 1791 }, warnings: ['POSITIONS_WRAPPED'] },
  'gpx-treadmill-walking.gpx': { sport: 'walking' },
  'gpx-type-localized-de.gpx': { sport: 'running' },
  'fit-laps-of-no-length.fit': { figures: { laps_count: 3 } },
  'fit-treadmill-speed-only.fit': { figures: { distance_m: 1794 } },
  'tcx-empty-sport-lap-without-start.tcx': { figures: { distance_m: 1802, average_heart_rate_bpm: 141 }, warnings: ['SPORT_MISSING'] },
  'tcx-point-distances-are-steps-not-sums.tcx': { figures: { distance_m: 1494 }, warnings: ['DISTANCE_CONTRADICTED'] }
}

function check (t: Pick<typeof import('tap').t, 'equal' | 'ok'>, name: string, right: Right): void {
  const recordings = decode(readFileSync(`${REPORTED}/${name}`))
  t.equal(recordings.length, 1, `${name} is one run`)
  const { summary, warnings } = figuresOf(recordings[0]!)
  for (const [figure, value] of Object.entries(right.figures ?? {}) as Array<[Figure, number]>) {
    const found = summary[figure as keyof ActivitySummary] as number
    t.ok(Math.abs(found - value) <= TOLERANCE[figure] * value, `${name}: ${figure} is ${found}, right is ${value}`)
  }
  if (right.sport) t.equal(summary.sport, right.sport, name)
  if (right.day) t.equal(summary.start_time.slice(0, 10), right.day, name)
  const codes = new Set([...recordings[0]!.warnings, ...warnings].map(({ code }) => code))
  for (const code of right.warnings ?? []) t.ok(codes.has(code), `${name} has the warning ${code}: ${[...codes].join()}`)
}

if (!existsSync(REPORTED)) {
  t.plan(0, `skipped: there are no samples in ${REPORTED}`)
} else {
  for (const [name, right] of Object.entries(FILES)) t.test(`${name} gives the right figures`, async t => check(t, name, right))
}
