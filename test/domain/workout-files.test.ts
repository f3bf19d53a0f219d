import { Decoder, Stream } from '@garmin/fitsdk'
import FitParser from 'fit-file-parser'
import t from 'tap'
import type { BodySettings } from '../../src/domain/physiology.ts'
import { parseSteps } from '../../src/domain/workouts/step-text.ts'
import { resolveSteps } from '../../src/domain/workouts/target.ts'
import { writeWorkoutFit } from '../../src/domain/workouts/write-fit.ts'

const SETTINGS: BodySettings = {
  sex: 'female',
  max_heart_rate_bpm: 190,
  resting_heart_rate_bpm: 50,
  threshold_heart_rate_bpm: 170,
  threshold_pace_s_per_km: 250
}
const CHANGED = new Date('2026-01-05T07:00:00Z')

function written (text: string, settings = SETTINGS): Uint8Array {
  return writeWorkoutFit({
    id: '018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11',
    name: '4 × 1 km 🏃',
    sport: 'running',
    steps: resolveSteps(parseSteps(text), settings),
    changedAt: CHANGED
  })
}

function decoded (bytes: Uint8Array): any {
  const decoder = new Decoder(Stream.fromByteArray([...bytes]))
  t.ok(decoder.isFIT())
  t.ok(decoder.checkIntegrity())
  const { messages, errors } = decoder.read()
  t.same(errors, [])
  return messages
}

t.test('a workout is a FIT file that the official decoder reads back', async (t) => {
  const { fileIdMesgs, workoutMesgs, workoutStepMesgs } = decoded(written(
    '- 2km @z2 warmup\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest\n- until 130bpm recovery\n- lap 5:00/km cooldown'
  ))
  t.match(fileIdMesgs, [{ type: 'workout', manufacturer: 'development', timeCreated: CHANGED, serialNumber: Number }])
  t.match(workoutMesgs, [{ sport: 'running', wktName: '4 × 1 km 🏃', numValidSteps: 6 }])
  t.match(workoutStepMesgs, [
    { messageIndex: 0, intensity: 'warmup', durationType: 'distance', durationDistance: 2000, targetType: 'heartRate', customTargetHeartRateLow: 245, customTargetHeartRateHigh: 253 },
    { messageIndex: 1, intensity: 'active', durationType: 'distance', durationDistance: 1000, targetType: 'speed', customTargetSpeedLow: 3.846, customTargetSpeedHigh: 4 },
    { messageIndex: 2, intensity: 'rest', durationType: 'time', durationTime: 90, targetType: 'open' },
    { messageIndex: 3, durationType: 'repeatUntilStepsCmplt', durationStep: 1, repeatSteps: 4 },
    { messageIndex: 4, intensity: 'recovery', durationType: 'hrLessThan', durationValue: 230 },
    { messageIndex: 5, intensity: 'cooldown', durationType: 'open', targetType: 'speed', customTargetSpeedLow: 3.333, customTargetSpeedHigh: 3.333 }
  ])
})

t.test('repeats within repeats go back to their own first steps', async (t) => {
  const { workoutStepMesgs } = decoded(written('- 10min\n- 2x\n  - 1km\n  - 3x\n    - 200m\n  - 2min rest\n- 5min'))
  t.match(workoutStepMesgs.map(({ durationType, durationStep, repeatSteps }: any) =>
    durationType === 'repeatUntilStepsCmplt' ? [durationStep, repeatSteps] : durationType), [
    'time', 'distance', 'distance', [2, 3], 'time', [1, 2], 'time'
  ])
})

t.test('zones that the settings do not define are open, and ranges open on one side are closed', async (t) => {
  const unknown = {
    ...SETTINGS, threshold_heart_rate_bpm: null, max_heart_rate_bpm: null, threshold_pace_s_per_km: null
  }
  const open = decoded(written('- 1km @z2\n- 1km @z3 pace', unknown)).workoutStepMesgs
  t.match(open, [{ targetType: 'open' }, { targetType: 'open' }])
  const sided = decoded(written('- 1km >=5:00/km\n- 1km <=150bpm')).workoutStepMesgs
  t.match(sided, [
    { customTargetSpeedLow: 0.833, customTargetSpeedHigh: 3.333 },
    { customTargetHeartRateLow: 130, customTargetHeartRateHigh: 250 }
  ])
})

t.test('an independent reader finds the same steps', async (t) => {
  const parser = new FitParser({ force: false, speedUnit: 'm/s', lengthUnit: 'm', mode: 'list' })
  const bytes = written('- 2km\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest')
  const data: any = await parser.parseAsync(Buffer.from(bytes))
  t.match(JSON.stringify(data), /workout/)
  t.equal(data.file_ids?.[0]?.type ?? data.file_id?.type, 'workout')
})
