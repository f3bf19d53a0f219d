import fc from '../harness/fast-check.ts'
import t, { type Test } from 'tap'
import { criticalSpeed } from '../../src/domain/training/critical-speed.ts'
import { fitnessOf, loadModel, strainOf } from '../../src/domain/training/load-model.ts'
import { cameronTimeS, equivalents, isBeyondRecord, riegelTimeS } from '../../src/domain/training/race-prediction.ts'
import { trainingPaces } from '../../src/domain/training/training-paces.ts'
import { oxygenUptake, raceTimeS, vdotOf, velocityAt } from '../../src/domain/training/vdot.ts'
import { HALF_MARATHON_M, MARATHON_M } from '../../src/domain/units.ts'

/** `4:49:17` or `63:46.5` in seconds. */
function seconds (clock: string): number {
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

function near (t: Test, actual: number | null | undefined, expected: number, tolerance: number, name: string): void {
  t.ok(Math.abs((actual ?? NaN) - expected) <= tolerance, `${name}: ${actual} is ${expected} ± ${tolerance}`)
}

t.test('VDOT has the exact values of the formula', async (t) => {
  for (const [distanceM, time, vdot] of [
    [5000, '20:00', 49.8062], [10_000, '40:00', 51.9441], [HALF_MARATHON_M, '1:30:00', 50.9769],
    [MARATHON_M, '3:00:00', 53.5283], [10_000, '50:00', 40.0121]
  ] as const) near(t, vdotOf(distanceM, seconds(time)), vdot, 0.00005, `${distanceM} m in ${time}`)
})

t.test('race times at a VDOT are those of the published table, within 0.2 %', async (t) => {
  const distances = [5000, 10_000, HALF_MARATHON_M, MARATHON_M]
  for (const [vdot, ...times] of [
    [30, '30:40', '63:46', '2:21:04', '4:49:17'],
    [40, '24:08', '50:03', '1:50:59', '3:49:45'],
    [50, '19:57', '41:21', '1:31:35', '3:10:49'],
    [60, '17:03', '35:22', '1:18:09', '2:43:25'],
    [70, '14:55', '31:00', '1:08:21', '2:23:10']
  ] as const) {
    for (const [i, time] of times.entries()) {
      near(t, raceTimeS(vdot, distances[i]!), seconds(time), seconds(time) * 0.002, `VDOT ${vdot}, ${distances[i]} m`)
    }
  }
})

t.test('training paces are those of the table, to half of its last digit', async (t) => {
  for (const [vdot, fast, slow, marathon, threshold, interval, repetition400] of [
    [40, '5:50.9', '6:59.4', '5:26.5', '5:05.5', '4:41.3', '1:46.1'],
    [50, '4:53.5', '5:51.9', '4:31.1', '4:15.2', '3:54.9', '1:26.9'],
    [60, '4:13.3', '5:04.2', '3:52.3', '3:40.1', '3:22.6', '1:13.9']
  ] as const) {
    const paces = trainingPaces(vdot)
    near(t, paces.easy.fast_s_per_km, seconds(fast), 0.051, `E fast, ${vdot}`)
    near(t, paces.easy.slow_s_per_km, seconds(slow), 0.051, `E slow, ${vdot}`)
    near(t, paces.marathon, seconds(marathon), 0.051, `M, ${vdot}`)
    near(t, paces.threshold, seconds(threshold), 0.051, `T, ${vdot}`)
    near(t, paces.interval, seconds(interval), 0.051, `I, ${vdot}`)
    near(t, paces.repetition * 0.4, seconds(repetition400), 0.1, `R, ${vdot}`)
  }
})

t.test('Riegel and Cameron have the reference values, to a tenth of a second', async (t) => {
  const five = { distanceM: 5000, timeS: 1200 }
  const ten = { distanceM: 10_000, timeS: 2400 }
  near(t, riegelTimeS(five, 10_000), seconds('41:41.9'), 0.05, 'Riegel, 5 to 10 km')
  near(t, riegelTimeS(ten, HALF_MARATHON_M), seconds('1:28:15.4'), 0.05, 'Riegel, 10 km to half')
  near(t, riegelTimeS(ten, MARATHON_M), seconds('3:04:00.5'), 0.05, 'Riegel, 10 km to marathon')
  near(t, cameronTimeS(five, 10_000), seconds('41:39.7'), 0.05, 'Cameron, 5 to 10 km')
  near(t, cameronTimeS(ten, HALF_MARATHON_M), seconds('1:28:11.5'), 0.05, 'Cameron, 10 km to half')
  near(t, cameronTimeS(ten, MARATHON_M), seconds('3:07:24.5'), 0.05, 'Cameron, 10 km to marathon')
})

t.test('critical speed has the reference value, or a reason why there is none', async (t) => {
  const { found } = criticalSpeed([{ distanceM: 1200, timeS: 210 }, { distanceM: 3600, timeS: 720 }])
  near(t, found?.speed_m_per_s, 4.70588, 0.000005, 'CS')
  near(t, found?.d_prime_m, 211.7647, 0.00005, 'D′')
  near(t, found?.r_squared, 1, 1e-12, 'two efforts are on a line')
  for (const [efforts, reason] of [
    [[], /Two best efforts/],
    [[{ distanceM: 1200, timeS: 210 }], /Two best efforts/],
    [[{ distanceM: 1200, timeS: 210 }, { distanceM: 1250, timeS: 210 }], /Two best efforts/],
    [[{ distanceM: 400, timeS: 60 }, { distanceM: 10_000, timeS: 2400 }], /Two best efforts/],
    [[{ distanceM: 600, timeS: 200 }, { distanceM: 3600, timeS: 720 }], /negative D′/],
    [[{ distanceM: 1200, timeS: 210 }, { distanceM: 1800, timeS: 720 }], /outside 2.0 to 6.5/]
  ] as const) {
    const answer = criticalSpeed(efforts)
    t.equal(answer.found, null)
    t.match(answer.reason, reason)
  }
})

t.test('fitness, fatigue and form have the reference values of 100 a day', async (t) => {
  const days = fitnessOf(new Array(42).fill(100))
  for (const [day, ctl, atl] of [[1, 2.3528, 13.3122], [7, 15.3518, 63.2121], [42, 63.2121, 99.7521]] as const) {
    near(t, days[day - 1]?.ctl, ctl, 0.00005, `CTL after ${day} days`)
    near(t, days[day - 1]?.atl, atl, 0.00005, `ATL after ${day} days`)
  }
  t.equal(days[0]?.form_prior_day, 0, 'before the first day there is neither')
  t.equal(days[6]?.form_prior_day, days[5]?.form_same_day, 'the form of a morning is that of the evening before')
})

t.test('workload ratios, monotony and strain have the reference values', async (t) => {
  const { acwr } = loadModel([...new Array(21).fill(30), ...new Array(7).fill(50)]).at(-1)!
  near(t, acwr.rolling, 1.4286, 0.00005, 'rolling')
  near(t, acwr.ewma, 1.2497, 0.00005, 'EWMA')
  near(t, acwr.uncoupled, 1.6667, 0.00005, 'uncoupled')
  t.same(loadModel(new Array(27).fill(30)).at(-1)!.acwr, { rolling: null, ewma: null, uncoupled: null })
  t.same(loadModel(new Array(28).fill(0)).at(-1)!.acwr, { rolling: null, ewma: null, uncoupled: null })
  const { monotony, strain } = strainOf([0, 20, 10, 10, 10, 10, 10])
  near(t, monotony, 1.8708, 0.00005, 'monotony')
  near(t, strain, 130.96, 0.005, 'strain')
  for (const week of [new Array(7).fill(0), new Array(7).fill(33.3), [1, 2, 3, 4, 5, 6]]) {
    t.same(strainOf(week), { monotony: null, strain: null }, `${week}`)
  }
})

const distance = fc.double({ min: 1000, max: 50_000, noNaN: true })
const vdots = fc.double({ min: 20, max: 85, noNaN: true })
const loads = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: 1, maxLength: 100 })

t.test('a race time and its VDOT are each other’s inverse, and so are speed and oxygen uptake', async () => {
  fc.assert(fc.property(vdots, distance, (vdot, distanceM) =>
    Math.abs(vdotOf(distanceM, raceTimeS(vdot, distanceM)) - vdot) < 1e-9))
  fc.assert(fc.property(fc.double({ min: 0.5, max: 12, noNaN: true }), (speed) =>
    Math.abs(velocityAt(oxygenUptake(speed)) - speed) < 1e-9))
})

t.test('a higher VDOT is faster at everything, and a longer race is slower', async () => {
  fc.assert(fc.property(vdots, fc.double({ min: 0.1, max: 5, noNaN: true }), distance, (vdot, more, distanceM) => {
    const [slower, faster] = [trainingPaces(vdot), trainingPaces(vdot + more)]
    return raceTimeS(vdot + more, distanceM) < raceTimeS(vdot, distanceM) &&
      raceTimeS(vdot, distanceM * 1.1) / 1.1 > raceTimeS(vdot, distanceM) &&
      faster.threshold <= slower.threshold && faster.easy.fast_s_per_km <= slower.easy.fast_s_per_km
  }))
  fc.assert(fc.property(vdots, (vdot) => {
    const { easy, marathon, threshold, interval, repetition } = trainingPaces(vdot)
    return easy.slow_s_per_km > easy.fast_s_per_km && easy.fast_s_per_km > threshold && marathon > threshold &&
      threshold > interval && interval > repetition
  }))
})

t.test('an equivalent over the same distance is the result itself by every model', async () => {
  fc.assert(fc.property(fc.constantFrom(1500, 5000, 10_000, MARATHON_M), vdots, (distanceM, vdot) => {
    const timeS = raceTimeS(vdot, distanceM)
    const same = equivalents({ distanceM, timeS }).find(({ distance_m }) => distance_m === distanceM)!
    return [same.daniels_s, same.riegel_s, same.cameron_s].every((time) => Math.abs(time - timeS) <= 0.0501)
  }))
})

t.test('fitness is linear in the loads, keeps between 0 and the largest, and forgets in order', async () => {
  fc.assert(fc.property(loads, fc.double({ min: 0.1, max: 10, noNaN: true }), (days, factor) => {
    const [once, scaled] = [loadModel(days), loadModel(days.map((load) => load * factor))]
    const most = Math.max(...days) + 1e-9
    return once.every(({ ctl, atl }, i) =>
      ctl >= 0 && ctl <= most && atl >= 0 && atl <= most && Math.abs(scaled[i]!.ctl - ctl * factor) < 1e-6)
  }))
  fc.assert(fc.property(loads, (days) => {
    // A load of long ago makes no day less fit.
    const [less, more] = [fitnessOf([0, ...days]), fitnessOf([100, ...days])]
    return more.every(({ ctl }, i) => ctl > less[i]!.ctl)
  }))
})

t.test('monotony does not depend on the scale of the loads, strain is proportional to it', async () => {
  const week = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 7, maxLength: 7 })
  fc.assert(fc.property(week, fc.integer({ min: 2, max: 9 }), (days, factor) => {
    const [one, many] = [strainOf(days), strainOf(days.map((load) => load * factor))]
    if (one.monotony === null) return many.monotony === null
    return Math.abs(many.monotony! - one.monotony) < 1e-9 &&
      Math.abs(many.strain! - one.strain! * factor) < 1e-6
  }))
})

t.test('what is faster than a world record is told from what is not', async (t) => {
  t.ok(isBeyondRecord({ distanceM: 5000, timeS: 755 }))
  t.notOk(isBeyondRecord({ distanceM: 5000, timeS: 756 }))
  t.ok(isBeyondRecord({ distanceM: MARATHON_M, timeS: 7000 }))
  t.notOk(isBeyondRecord({ distanceM: 1500, timeS: 206 }))
})
