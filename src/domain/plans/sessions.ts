import { METRES_PER_KM } from '../units.ts'
import type { Intensity, Kind, Step, StepTarget, WorkoutStep } from '../workouts/steps.ts'
import type { PhaseName } from './outline.ts'
import type { Form } from './request.ts'
import { UNIT_M } from './volume.ts'

/** A run of a plan. Its steps add up to its distance. */
export interface Session {
  kind: Kind
  name: string
  description: string
  steps: WorkoutStep[]
}

/** What a hard run is for. */
export type Purpose = 'hills' | 'repetition' | 'threshold' | 'interval'

/** Half the width of a target range: what a watch can hold. */
const PACE_TOLERANCE_S = 3
/** Shares of the week that one session has at most of its pace. Daniels (2014): R 5 %, I 8 %, T 10 %. */
const WORK_SHARE = { repetition: 0.05, interval: 0.08, threshold: 0.1, hills: 0.04 } as const
/** And metres: Daniels' limits for R and I; T is at most about an hour's worth of cruise intervals. */
const MOST_WORK_M = { repetition: 8_000, interval: 10_000, threshold: 12_000, hills: 2_000 } as const
const LEAST_WARMUP_UNITS = 10
const LEAST_COOLDOWN_UNITS = 5
/** An interval is long enough to reach VO₂max and at most five minutes; a cruise interval 4 to 15 (Daniels). */
const INTERVAL_S = { least: 100, most: 300 } as const
const CRUISE_S = { least: 240, most: 900 } as const
/** A tempo run without breaks lasts at most 40 minutes. */
const LONGEST_TEMPO_S = 2400
const MOST_REPEATS = 20
const LEAST_REPEATS = 2

const MINUTE_OF_REST: Step = { type: 'step', intensity: 'rest', end: { type: 'time', value: 60 } }

function distance (units: number, intensity: Intensity = 'active', target?: StepTarget): Step {
  const end = { type: 'distance' as const, value: units * UNIT_M }
  return { type: 'step', intensity, end, ...(target === undefined ? {} : { target }) }
}

/** Whole seconds, in the order of numbers: the faster pace is low. */
function around (paceSPerKm: number): StepTarget {
  const pace = Math.round(paceSPerKm)
  return { type: 'pace', low: pace - PACE_TOLERANCE_S, high: pace + PACE_TOLERANCE_S }
}

function easyTarget ({ paces: { easy } }: Form): StepTarget {
  return { type: 'pace', low: Math.round(easy.fast_s_per_km), high: Math.round(easy.slow_s_per_km) }
}

const EASY: ReadonlyArray<readonly [name: string, description: string]> = [
  ['Easy run', 'Relaxed, able to talk: it builds endurance without asking for recovery.'],
  ['Easy run on soft ground', 'On grass or a trail where there is one: relaxed, able to talk.'],
  ['Easy run by feel', 'Without a look at the watch but for its limits: relaxed, able to talk.']
]

/** An easy run; `variant` turns through spellings of it. */
export function easySession (form: Form, units: number, variant: number): Session {
  const [name, description] = EASY[variant % EASY.length]!
  return { kind: 'easy', name, description, steps: [distance(units, 'active', easyTarget(form))] }
}

export function recoverySession (form: Form, units: number): Session {
  const { easy } = form.paces
  const target: StepTarget = {
    type: 'pace', low: Math.round((easy.fast_s_per_km + easy.slow_s_per_km) / 2), high: Math.round(easy.slow_s_per_km)
  }
  return {
    kind: 'recovery',
    name: 'Recovery run',
    description: 'At the slow end of easy: it is there to recover from the long run.',
    steps: [distance(units, 'active', target)]
  }
}

const LONG: ReadonlyArray<readonly [name: string, description: string]> = [
  ['Long run', 'At an even, easy pace: time on the feet, for endurance.'],
  ['Long run, second half faster', 'Easy; the second half at the fast end of easy, to learn to run on tired legs.'],
  ['Long run on hills', 'Easy by effort, on a hilly course where there is one.']
]

/** The variant of a long run that is nothing but easy. */
export const PLAIN = 0

/**
 * A long run. With `atRacePace` a part of it is at the pace of the race (marathon and half marathon), up to a quarter:
 * the closer the race, the more.
 */
export function longSession (form: Form, units: number, variant: number, racePaceShare: number): Session {
  const easy = easyTarget(form)
  const fast = Math.floor(units * racePaceShare)
  const start = Math.floor((units - fast) / 2)
  if (fast >= 10 && start >= 10) {
    const atPace = distance(fast, 'active', around(form.racePaceSPerKm))
    return {
      kind: 'long',
      name: variant % 2 === 0 ? 'Long run with race pace' : 'Long run with race pace late',
      description: 'The middle part at the pace of the race: to know it, and to fuel at it.',
      steps: variant % 2 === 0
        ? [distance(start, 'active', easy), atPace, distance(units - start - fast, 'active', easy)]
        : [distance(units - fast - 5, 'active', easy), atPace, distance(5, 'cooldown', easy)]
    }
  }
  const [name, description] = LONG[variant % LONG.length]!
  if (variant % LONG.length === 1 && units >= 20) {
    const half = Math.floor(units / 2)
    const quick = Math.round(form.paces.easy.fast_s_per_km)
    const target: StepTarget = { type: 'pace', low: quick, high: quick + 2 * PACE_TOLERANCE_S }
    const steps = [distance(units - half, 'active', easy), distance(half, 'active', target)]
    return { kind: 'long', name, description, steps }
  }
  return { kind: 'long', name, description, steps: [distance(units, 'active', easy)] }
}

export function raceSession (form: Form, distanceM: number, name: string | null): Session {
  return {
    kind: 'race',
    name: name ?? 'Race',
    description: 'The first kilometres no faster than the pace of the race.',
    steps: [{
      type: 'step', intensity: 'active', end: { type: 'distance', value: distanceM }, target: around(form.racePaceSPerKm)
    }]
  }
}

/**
 * A hard run of `units` in a week of `weekUnits`: warm-up, work, cool-down. Undefined where so short a run, or so short
 * a week, has no room for it.
 */
export function hardSession (
  purpose: Purpose,
  form: Form,
  units: number,
  weekUnits: number,
  variant: number
): Session | undefined {
  const room = units - LEAST_WARMUP_UNITS - LEAST_COOLDOWN_UNITS
  const work = Math.min(WORK_SHARE[purpose] * weekUnits, MOST_WORK_M[purpose] / UNIT_M)
  const main = workOf(purpose, form, room, work, variant)
  if (main === undefined) return undefined
  const rest = units - main.units
  const warmup = Math.ceil(rest * 0.6)
  const easy = easyTarget(form)
  const { kind, name, description } = main
  return {
    kind,
    name,
    description,
    steps: [distance(warmup, 'warmup', easy), ...main.steps, distance(rest - warmup, 'cooldown', easy)]
  }
}

interface Main extends Session {
  units: number
}

function workOf (purpose: Purpose, form: Form, room: number, work: number, variant: number): Main | undefined {
  const { paces } = form
  switch (purpose) {
    case 'threshold': return tempo(paces.threshold, room, work, variant)
    case 'interval': return intervals(form, room, work, variant)
    case 'repetition': return repetitions(form, room, work, variant)
    case 'hills': return hills(form, room, work, variant)
  }
}

/** Without breaks in one week, as cruise intervals with a minute of rest in another. */
function tempo (pace: number, room: number, work: number, variant: number): Main | undefined {
  const description = 'Comfortably hard, the pace that could be raced for an hour: it moves the threshold up.'
  const most = Math.min(work, room)
  const longest = Math.floor(Math.min(most, unitsIn(LONGEST_TEMPO_S, pace)))
  const whole = [distance(longest, 'active', around(pace))]
  if (variant % 2 === 0 && longest >= unitsIn(CRUISE_S.least * 1.5, pace)) {
    return { kind: 'tempo', name: 'Tempo run', description, units: longest, steps: whole }
  }
  const lengths = [10, 16, 20, 8, 30, 5].filter((length) => within(CRUISE_S, length, pace))
  for (const length of turned(lengths, variant)) {
    const times = Math.min(MOST_REPEATS, Math.floor(most / length))
    if (times < LEAST_REPEATS) continue
    const inner = [distance(length, 'active', around(pace)), MINUTE_OF_REST]
    return {
      kind: 'tempo',
      name: `Cruise intervals of ${lengthName(length)}`,
      description,
      units: times * length,
      steps: [{ type: 'repeat', times, steps: inner }]
    }
  }
  const shortest = unitsIn(CRUISE_S.least, pace)
  return longest < shortest
    ? undefined
    : { kind: 'tempo', name: 'Short tempo run', description, units: longest, steps: whole }
}

/** Up to five minutes each, with a jog of less than half the distance. */
function intervals (form: Form, room: number, work: number, variant: number): Main | undefined {
  const pace = form.paces.interval
  const lengths = [10, 8, 12, 6, 4].filter((length) => within(INTERVAL_S, length, pace))
  return repeated(form, pace, turned(lengths, variant), room, work, {
    kind: 'interval',
    jog: (length) => length <= 6 ? 2 : 4,
    name: (length) => `Intervals of ${lengthName(length)}`,
    description: 'Hard, evenly paced: they raise the oxygen uptake. The jogs are as easy as it takes.'
  })
}

/** Fast and relaxed, with a jog as long as the repetition: full recovery. */
function repetitions (form: Form, room: number, work: number, variant: number): Main | undefined {
  return repeated(form, form.paces.repetition, turned([2, 4, 3], variant), room, work, {
    kind: 'repetition',
    jog: (length) => length,
    name: (length) => `Repetitions of ${lengthName(length)}`,
    description: 'Fast but relaxed, with full recovery: they train speed and economy.'
  })
}

function hills (form: Form, room: number, work: number, variant: number): Main | undefined {
  return repeated(form, null, turned([2, 1], variant), room, work, {
    kind: 'hills',
    jog: (length) => length,
    name: (length) => `Hill repeats of ${lengthName(length)}`,
    description: 'Up a moderate hill by effort, jogging down: strength without high speed.'
  })
}

interface Repeated {
  kind: Kind
  jog (length: number): number
  name (length: number): string
  description: string
}

function repeated (
  form: Form,
  pace: number | null,
  lengths: number[],
  room: number,
  work: number,
  { kind, jog, name, description }: Repeated
): Main | undefined {
  for (const length of lengths) {
    const round = length + jog(length)
    const times = Math.min(MOST_REPEATS, Math.floor(work / length), Math.floor(room / round))
    if (times < LEAST_REPEATS) continue
    const target: StepTarget = pace === null ? { type: 'open' } : around(pace)
    const steps = [distance(length, 'active', target), distance(jog(length), 'recovery', easyTarget(form))]
    return {
      kind, name: name(length), description, units: times * round, steps: [{ type: 'repeat', times, steps }]
    }
  }
  return undefined
}

function unitsIn (seconds: number, paceSPerKm: number): number {
  return Math.floor(seconds / paceSPerKm * METRES_PER_KM / UNIT_M)
}

function within ({ least, most }: { least: number, most: number }, units: number, paceSPerKm: number): boolean {
  const seconds = units * UNIT_M / METRES_PER_KM * paceSPerKm
  return seconds >= least && seconds <= most
}

/** The same list, beginning further on: another variant comes first. */
function turned (lengths: number[], variant: number): number[] {
  const from = lengths.length === 0 ? 0 : variant % lengths.length
  return [...lengths.slice(from), ...lengths.slice(0, from)]
}

function lengthName (units: number): string {
  return units % 10 === 0 ? `${units / 10} km` : `${units * UNIT_M} m`
}

/** What the hard runs of a phase are for, by the race: the closer to it, the closer to its pace. */
export function purposesOf (phase: PhaseName, raceM: number): readonly [Purpose, Purpose] {
  const isShort = raceM <= 11_000
  switch (phase) {
    // Strength and economy first, which ask for little recovery.
    case 'base': return ['hills', 'repetition']
    case 'build': return isShort ? ['repetition', 'threshold'] : ['threshold', 'interval']
    case 'peak': return isShort ? ['interval', 'threshold'] : ['threshold', 'interval']
    case 'taper': return isShort ? ['interval', 'threshold'] : ['threshold', 'threshold']
  }
}
