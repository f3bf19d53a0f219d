// Two years of a runner who does not exist: base, races, an injury, and the build for a marathon that is two weeks
// ahead. The same for the same day: nothing here is left to chance.
import { random } from './random.mjs'

const DAY_MS = 86_400_000
/** The last one is the current week. */
export const WEEKS = 104
/** Its Sunday is the marathon. */
const MARATHON_WEEK = WEEKS + 1
/** The newest runs, and every race, have a recording. */
export const RECORDED_RUNS = 60
/** The plan begins here. */
const BUILD_WEEK = 84

/** Values at some weeks, straight lines between them. */
const KM = [
  [0, 24], [18, 44], [20, 38], [33, 52], [34, 40], [38, 30], [46, 46], [49, 46], [50, 0], [56, 0], [57, 12], [66, 36],
  [78, 46], [84, 46], [100, 72], [103, 54], [105, 36]
]
const THRESHOLD_PACE = [[0, 296], [49, 264], [56, 264], [57, 288], [80, 268], [105, 254]]
/** An injury: no runs, and after some weeks the bicycle. */
const INJURY = { from: 50, to: 56, cyclesFrom: 53 }
const THRESHOLD_HEART_RATE = 168

/** `pace`: in shares of the threshold pace. On Sundays. */
const RACES = [
  { week: 20, name: 'City 10 km', distanceM: 10_000, pace: 0.99, heartRate: 1.03 },
  { week: 34, name: 'River half marathon', distanceM: 21_097.5, pace: 1.035, heartRate: 0.99 },
  { week: 45, name: 'Park 5 km', distanceM: 5000, pace: 0.955, heartRate: 1.06 },
  { week: 72, name: 'Harbour 10 km', distanceM: 10_000, pace: 0.99, heartRate: 1.03 },
  { week: 79, name: 'Lake half marathon', distanceM: 21_097.5, pace: 1.03, heartRate: 0.99 },
  { week: 98, name: 'Tune-up half marathon', distanceM: 21_097.5, pace: 1.02, heartRate: 0.99 },
  { week: MARATHON_WEEK, name: 'Marathon', distanceM: 42_195, pace: 1.09, heartRate: 0.94 }
]

/** Pace and heart rate in shares of those at threshold; effort of 0 to 10. */
const KINDS = {
  easy: { name: 'Easy run', pace: 1.25, heartRate: 0.82, effort: 3 },
  recovery: { name: 'Recovery run', pace: 1.33, heartRate: 0.77, effort: 2 },
  long: { name: 'Long run', pace: 1.21, heartRate: 0.84, effort: 5 },
  tempo: { name: 'Tempo run', pace: 1.1, heartRate: 0.91, effort: 6 },
  interval: { name: 'Intervals', pace: 1.13, heartRate: 0.9, effort: 7 },
  race: { effort: 9 }
}

/** The weekdays of so many runs a week, 0 = Monday: quality first, the long run on Sunday. */
const WEEKDAYS = { 3: [1, 3, 6], 4: [1, 3, 5, 6], 5: [1, 2, 3, 5, 6], 6: [1, 2, 3, 4, 5, 6] }

/**
 * Everything of the runner until the day before `today` (YYYY-MM-DD), the oldest first; with `weeks` only that of the
 * newest weeks.
 * @returns {{ settings: object[], plan: object, workouts: object[], activities: object[] }}
 */
export function history (today, { weeks = WEEKS } = {}) {
  const now = Date.parse(today)
  // 1970-01-01 was a Thursday.
  const monday = now - ((now / DAY_MS + 3) % 7) * DAY_MS
  const dayOf = (week, weekday) => dayText(monday + ((week - WEEKS + 1) * 7 + weekday) * DAY_MS)
  const firstWeek = WEEKS - weeks
  const chance = random(20_240_601)
  const sessions = []
  for (let week = 0; week <= MARATHON_WEEK; week++) {
    for (const session of sessionsOf(week, chance)) {
      sessions.push({ ...session, week, day: dayOf(week, session.weekday) })
    }
  }
  const done = sessions.filter(({ week, day, skipped }) => !skipped && day < today && week >= firstWeek)
  const runs = done.filter(({ kind }) => kind !== 'cycling')
  const newest = new Set(runs.slice(-RECORDED_RUNS))
  const activities = done.map((session, index) => ({
    ...activityOf(session), recorded: newest.has(session) || session.kind === 'race', seed: index + session.week * 100
  }))
  const planned = sessions.filter(({ week, kind }) => week >= Math.max(BUILD_WEEK, firstWeek) && kind !== 'cycling')
  return {
    settings: settingsOf((week) => dayOf(week, 0)),
    plan: {
      name: 'Marathon build',
      goal: 'To run the whole of it evenly',
      status: 'active',
      start_date: dayOf(Math.max(BUILD_WEEK, firstWeek), 0),
      end_date: dayOf(MARATHON_WEEK, 6),
      race: { name: 'Marathon', date: dayOf(MARATHON_WEEK, 6), distance_m: 42_195, target_time_s: 3 * 3600 + 15 * 60 }
    },
    workouts: planned.map(workoutOf),
    activities
  }
}

function settingsOf (mondayOf) {
  const paces = [0, 24, 48, 57, 72, 84, 96].map((week) => ({
    valid_from: mondayOf(week), threshold_pace_s_per_km: Math.round(between(THRESHOLD_PACE, week))
  }))
  const body = {
    sex: 'female',
    max_heart_rate_bpm: 188,
    resting_heart_rate_bpm: 50,
    threshold_heart_rate_bpm: THRESHOLD_HEART_RATE
  }
  return paces.map((dated, i) => i === 0 ? { ...dated, ...body } : dated)
}

/** The sessions of a week as they were meant; a few of them were not done. */
function sessionsOf (week, chance) {
  if (week >= INJURY.from && week <= INJURY.to) {
    return week < INJURY.cyclesFrom
      ? []
      : [1, 4].map((weekday) => ({ kind: 'cycling', weekday, distanceM: 20_000 + 6000 * chance(), variation: chance() }))
  }
  const cutback = week % 4 === 3 ? 0.76 : 1
  const km = between(KM, week) * cutback * (0.96 + 0.08 * chance())
  const count = km < 20 ? 3 : km < 38 ? 4 : km < 56 ? 5 : 6
  const race = RACES.find((each) => each.week === week)
  const longKm = race === undefined ? Math.min(34, km * (count > 4 ? 0.32 : 0.36)) : race.distanceM / 1000
  const qualityKm = Math.min(14, km * 0.22)
  const isQuality = km > 26 && week > 6
  const others = count - (isQuality ? 2 : 1)
  const restKm = Math.max(4, (km - (race === undefined ? longKm : 0) - (isQuality ? qualityKm : 0)) / others)
  return WEEKDAYS[count].map((weekday, place) => {
    const kind = place === count - 1
      ? race === undefined ? 'long' : 'race'
      : place === 0 && isQuality ? (week % 2 === 0 ? 'interval' : 'tempo') : weekday === 2 ? 'recovery' : 'easy'
    const share = 0.92 + 0.16 * chance()
    const km = { long: longKm, race: longKm, interval: qualityKm, tempo: qualityKm }[kind] ?? restKm * share
    return {
      kind,
      weekday,
      race,
      distanceM: kind === 'race' ? race.distanceM : Math.round(km * 10) * 100,
      variation: chance(),
      skipped: chance() < (kind === 'race' ? 0 : 0.06)
    }
  })
}

function activityOf ({ kind, day, week, weekday, distanceM, variation, race }) {
  const hour = weekday >= 5 ? 8 : 17
  const start_time = `${day}T${String(hour).padStart(2, '0')}:${String(Math.floor(variation * 60)).padStart(2, '0')}:00Z`
  if (kind === 'cycling') {
    return {
      kind,
      sport: 'cycling',
      name: 'Bicycle instead',
      start_time,
      day,
      distance_m: Math.round(distanceM),
      moving_s: Math.round(distanceM / 6.4),
      elapsed_s: Math.round(distanceM / 6.2),
      heart_rate_bpm: 122,
      effort: 3
    }
  }
  const { pace, heartRate, name, effort } = kind === 'race' ? { ...KINDS.race, ...race } : KINDS[kind]
  const moving = Math.round(distanceM / 1000 * between(THRESHOLD_PACE, week) * pace * (0.985 + 0.03 * variation))
  return {
    kind,
    sport: 'running',
    name,
    start_time,
    day,
    distance_m: distanceM,
    moving_s: moving,
    elapsed_s: moving + (kind === 'race' ? 0 : Math.round(variation * 120)),
    heart_rate_bpm: Math.round(THRESHOLD_HEART_RATE * heartRate * (0.985 + 0.03 * variation)),
    effort
  }
}

function workoutOf ({ kind, day, week, weekday, distanceM, race }) {
  const { name, pace } = kind === 'race' ? race : KINDS[kind]
  return {
    external_id: `demo-${week}-${weekday}`,
    date: day,
    kind,
    name,
    planned_distance_m: distanceM,
    planned_duration_s: Math.round(distanceM / 1000 * between(THRESHOLD_PACE, week) * pace)
  }
}

function between (points, at) {
  const next = points.findIndex(([week]) => week >= at)
  if (next <= 0) return points.at(next)[1]
  const [[from, low], [to, high]] = [points[next - 1], points[next]]
  return low + (high - low) * (at - from) / (to - from)
}

function dayText (ms) {
  return new Date(ms).toISOString().slice(0, 10)
}
