import t from 'tap'
import { contradiction, settingsOn, type DatedSettings } from '../../src/domain/physiology.ts'

const NOTHING = {
  sex: null,
  max_heart_rate_bpm: null,
  resting_heart_rate_bpm: null,
  threshold_heart_rate_bpm: null,
  threshold_pace_s_per_km: null
}

function from (valid_from: string, values: Partial<DatedSettings>): DatedSettings {
  return { ...NOTHING, ...values, valid_from }
}

t.test('each value on a day comes from the latest settings up to that day that have it', async (t) => {
  const settings = [
    from('2024-01-01', { sex: 'female', max_heart_rate_bpm: 190, threshold_pace_s_per_km: 290 }),
    from('2024-06-01', { threshold_pace_s_per_km: 280 }),
    from('2025-01-01', { max_heart_rate_bpm: 188, resting_heart_rate_bpm: 48 })
  ]
  const cases: Array<[string, object]> = [
    ['2023-12-31', NOTHING],
    ['2024-01-01', { ...NOTHING, sex: 'female', max_heart_rate_bpm: 190, threshold_pace_s_per_km: 290 }],
    ['2024-05-31', { ...NOTHING, sex: 'female', max_heart_rate_bpm: 190, threshold_pace_s_per_km: 290 }],
    ['2024-06-01', { ...NOTHING, sex: 'female', max_heart_rate_bpm: 190, threshold_pace_s_per_km: 280 }],
    [
      '2025-03-01',
      {
        sex: 'female',
        max_heart_rate_bpm: 188,
        resting_heart_rate_bpm: 48,
        threshold_heart_rate_bpm: null,
        threshold_pace_s_per_km: 280
      }
    ]
  ]
  for (const [day, expected] of cases) {
    t.same(settingsOn(day, settings), expected, day)
    t.same(settingsOn(day, [...settings].reverse()), expected, `${day}, whatever the order`)
  }
  t.same(settingsOn('2025-01-01', []), NOTHING)
})

t.test('the given heart rates must satisfy resting < threshold ≤ max', async (t) => {
  const cases: Array<[number?, number?, number?, string?]> = [
    [50, 170, 190],
    [50, 190, 190],
    [undefined, 170, 190],
    [50, undefined, 190],
    [50, 170],
    [],
    [100, 100, 190, 'threshold_heart_rate_bpm'],
    [50, 191, 190, 'threshold_heart_rate_bpm'],
    [100, undefined, 100, 'resting_heart_rate_bpm']
  ]
  for (const [resting, threshold, max, field] of cases) {
    const given = {
      resting_heart_rate_bpm: resting ?? null,
      threshold_heart_rate_bpm: threshold ?? null,
      max_heart_rate_bpm: max ?? null
    }
    t.equal(contradiction(given)?.field, field, JSON.stringify(given))
  }
})
