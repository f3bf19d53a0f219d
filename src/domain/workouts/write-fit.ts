import { Encoder, Profile } from '@garmin/fitsdk'
import { fitText } from '../files/write-fit.ts'
import { METRES_PER_KM } from '../units.ts'
import type { Intensity, StepEnd } from './steps.ts'
import type { ResolvedRepeat, ResolvedStep, ResolvedTarget } from './target.ts'

const NUMBERS = Profile.MesgNum as Record<string, number>

/** A workout as a watch gets it. */
export interface WatchWorkout {
  id: string
  name: string
  sport: 'running' | 'generic'
  /** With what their targets mean in s/km and beats per minute. */
  steps: Array<ResolvedStep | ResolvedRepeat>
  changedAt: Date
}

/** FIT has heart rates in beats per minute from 100 on: below they are shares of the maximum. */
const BPM_OFFSET = 100
/** A range open on one side ends at what no runner reaches. */
const WIDEST = { pace: { low: 120, high: 1200 }, heart_rate: { low: 30, high: 240 } } as const

type Fields = Record<string, string | number | Date | undefined>

/**
 * A workout as a FIT file, by the official encoder: one message a step; a repeat is a step that goes back to its first
 * one. Zones are written as the ranges they mean, since those of the watch may be others.
 */
export function writeWorkoutFit ({ id, name, sport, steps, changedAt }: WatchWorkout): Uint8Array {
  const encoder = new Encoder()
  const write = (message: string, fields: Fields): void => {
    const known = Object.entries(fields).filter(([, value]) => value !== undefined)
    encoder.onMesg(NUMBERS[message]!, { mesgNum: NUMBERS[message]!, ...Object.fromEntries(known) } as never)
  }
  const rows: Fields[] = []
  addSteps(steps, rows)
  write('FILE_ID', {
    type: 'workout',
    manufacturer: 'development',
    product: 0,
    // The same workout has the same number, so that a watch replaces it.
    serialNumber: Number.parseInt(id.replaceAll('-', '').slice(-8), 16) || 1,
    timeCreated: changedAt
  })
  write('WORKOUT', { sport, wktName: fitText(name), numValidSteps: rows.length })
  for (const [messageIndex, row] of rows.entries()) write('WORKOUT_STEP', { messageIndex, ...row })
  return encoder.close()
}

function addSteps (steps: WatchWorkout['steps'], rows: Fields[]): void {
  for (const step of steps) {
    if (step.type === 'step') {
      rows.push({ intensity: step.intensity, ...durationOf(step.end, step.intensity), ...targetOf(step.resolved) })
      continue
    }
    const first = rows.length
    addSteps(step.steps, rows)
    rows.push({
      durationType: 'repeatUntilStepsCmplt', durationValue: first, targetType: 'open', targetValue: step.times
    })
  }
}

/** Centimetres, milliseconds, beats per minute. A heart rate is waited for from below, after work from above. */
function durationOf ({ type, value = 0 }: StepEnd, intensity: Intensity): Fields {
  switch (type) {
    case 'distance': return { durationType: 'distance', durationValue: Math.round(value * 100) }
    case 'time': return { durationType: 'time', durationValue: Math.round(value * 1000) }
    case 'lap_button': return { durationType: 'open' }
    case 'heart_rate': {
      const isFalling = intensity === 'recovery' || intensity === 'rest' || intensity === 'cooldown'
      const durationType = isFalling ? 'hrLessThan' : 'hrGreaterThan'
      return { durationType, durationValue: Math.round(value) + BPM_OFFSET }
    }
  }
}

/** Millimetres a second, the slower first, or beats per minute. */
function targetOf (target: ResolvedTarget | null): Fields {
  if (target === null) return { targetType: 'open', targetValue: 0 }
  const low = target.low ?? WIDEST[target.type].low
  const high = target.high ?? WIDEST[target.type].high
  if (target.type === 'heart_rate') {
    return {
      targetType: 'heartRate',
      targetValue: 0,
      customTargetValueLow: Math.round(low) + BPM_OFFSET,
      customTargetValueHigh: Math.round(high) + BPM_OFFSET
    }
  }
  return {
    targetType: 'speed',
    targetValue: 0,
    customTargetValueLow: millimetresPerS(high),
    customTargetValueHigh: millimetresPerS(low)
  }
}

function millimetresPerS (paceSPerKm: number): number {
  return Math.round(METRES_PER_KM / paceSPerKm * 1000)
}
