import fc from 'fast-check'
import t from 'tap'
import { decode } from '../../src/domain/files/decode.ts'
import { elevationOf, thresholdOf } from '../../src/domain/training/elevation.ts'
import { summaryOf } from '../../src/domain/training/summary.ts'
import { found, near, refuse } from '../harness/fixtures/found.ts'
import { madeAs, straight, without } from '../harness/fixtures/kinds.ts'
import type { Format, MadePoint } from '../harness/fixtures/kinds.ts'
import { bytesOf } from '../harness/fixtures/recordings.ts'

// Noise of positions and heights, sensors that step, and recordings of somebody who stands, in every format.

const SEED = { seed: 20_261_130, numRuns: 30 }
const DEGREES_PER_M = 1 / 111_195.0802

const format = fc.constantFrom<Format>('fit', 'gpx', 'tcx')
const numbers = fc.integer({ min: 1, max: 1_000_000 })

/** Normally distributed numbers, the same ones for the same seed. */
function normal (seed: number): () => number {
  let state = seed
  const uniform = (): number => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

t.test('noise of the positions while standing is no way, and does not hide the stop', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, numbers, fc.constantFrom('white', 'drift'), fc.integer({ min: 3, max: 12 }),
    fc.integer({ min: 40, max: 300 }), fc.constantFrom(2, 3, 4.5),
    (kind, seed, noise, tenths, stop, speed) => {
      const random = normal(seed)
      let [east, north] = [0, 0]
      const spot = straight(stop - 1, { step: 1, from: 300, fromM: 300 * speed, speed: 0 })
      const standing = spot.map((point): MadePoint => {
        const [x, y] = [random() * tenths / 10, random() * tenths / 10]
        // A drift comes back: GPS wanders around the place.
        east = noise === 'white' ? x : 0.95 * east + 0.3 * x
        north = noise === 'white' ? y : 0.95 * north + 0.3 * y
        return { ...point, lat: point.lat! + north * DEGREES_PER_M, lon: point.lon! + east * DEGREES_PER_M }
      })
      const points = without([
        ...straight(299, { step: 1, speed }),
        ...standing,
        ...straight(300, { step: 1, from: 300 + stop, fromM: 300 * speed, speed })
      ], 'dist')
      const { distance, moving } = found(kind, { points })
      near('the distance', distance, 600 * speed, 0.02, 5)
      near('moving', moving, 600, 0.02, 5)
    }
  ), SEED))
})

t.test('a slow walk that turns, and steep steps, are no noise', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, fc.constantFrom(0.37, 0.7, 1, 1.5, 3), fc.integer({ min: 30, max: 120 }),
    (kind, speed, leg) => {
      const points = without(straight(600, { step: 1 }), 'dist').map((point): MadePoint => {
        const along = point.t % (2 * leg)
        return { ...point, lat: 41.3 + speed * Math.min(along, 2 * leg - along) * DEGREES_PER_M, cad: 60 }
      })
      const { distance, moving } = found(kind, { points, sport: 'hiking' })
      near('the distance', distance, 600 * speed, 0.03)
      near('moving', moving, 600, 0.01)
    }
  ), SEED))
})

t.test('a recording on one spot is 0 m long, and nobody moves in it', async t => {
  for (const kind of ['fit', 'gpx', 'tcx'] as const) {
    for (const [what, points] of Object.entries({
      'one position': straight(600, { speed: 0, step: 1, more: { dist: undefined } }),
      'a speed and a distance of 0': without(straight(600, { speed: 0, more: { speed: 0 } }), ...kind === 'gpx' ? [] : ['lat', 'lon'] as const),
      'a pole': straight(600, { more: { dist: undefined } }).map((point) => ({ ...point, lat: -90, lon: point.t / 4 }))
    })) {
      const { distance, moving, elapsed, codes, computed } = found(kind, { points })
      t.equal(distance, 0, `${kind}: ${what}`)
      t.equal(moving, 0, `${kind}: ${what}`)
      t.equal(elapsed, 600)
      t.equal(computed.figures.summary.average_pace_s_per_km, null)
      t.notOk(codes.includes('DISTANCE_IMPOSSIBLE'), codes.join())
    }
  }
  const treadmill = without(straight(600, { speed: 0, more: { speed: 0, cad: 84 } }), 'lat', 'lon')
  const { distance, moving } = found('fit', { points: treadmill })
  t.ok(Number.isNaN(distance), 'who takes steps is not on one spot: the distance is unknown')
  t.equal(moving, 600)
})

t.test('noise of the positions on one spot is hardly any way', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(format, numbers, fc.integer({ min: 1, max: 12 }), (kind, seed, tenths) => {
    const random = normal(seed)
    const points = without(straight(600, { speed: 0, step: 1 }), 'dist').map((point): MadePoint => ({
      ...point,
      lat: point.lat! + random() * tenths / 10 * DEGREES_PER_M,
      lon: point.lon! + random() * tenths / 10 * DEGREES_PER_M
    }))
    const { distance, moving, codes } = found(kind, { points })
    near('the distance', distance, 0, 0, 20)
    near('moving', moving, 0, 0, 30)
    refuse(codes, 'DISTANCE_IMPOSSIBLE', 'POSITIONS_IMPOSSIBLE')
  }), SEED))
})

t.test('a step of the heights is no climb, and the rest of the heights counts', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, fc.integer({ min: 20, max: 300 }), fc.boolean(),
    fc.integer({ min: 130, max: 460 }), fc.integer({ min: 1, max: 3 }),
    (kind, stepM, isDown, at, seconds) => {
      const points = straight(600, { step: 1 }).map((point): MadePoint => ({
        ...point, ele: 400 + point.t / 12 + (point.t < at ? 0 : isDown ? -stepM : stepM)
      })).filter(({ t }) => t < at || t >= at + seconds)
      const { gain, codes } = found(kind, { points })
      near('the gain', gain, 50, 0.03, 0.5)
      if (!codes.includes('HEIGHTS_IMPOSSIBLE')) throw new Error('no warning')
      refuse(codes, 'ELEVATION_IMPOSSIBLE')
    }
  ), SEED))
})

t.test('a distance that cannot be is in no stream', async t => {
  for (const kind of ['fit', 'tcx'] as const) {
    const points = without(straight(600, { speed: 11, step: 1 }), 'lat', 'lon')
    const { distance, computed } = found(kind, { points })
    t.ok(Number.isNaN(distance))
    t.equal(computed.streams.columns.distance_m, undefined)
    t.equal(computed.streams.columns.speed_m_per_s, undefined)
    t.same(computed.figures.bestEfforts, [])
  }
})

/** Heights that drift: noise of a deviation that is forgotten within some seconds. */
function drifting (seconds: number, deviation: number, forgottenS: number, random: () => number): Float64Array {
  const kept = Math.exp(-1 / forgottenS)
  let off = deviation * random()
  return Float64Array.from({ length: seconds + 1 }, () => {
    off = kept * off + deviation * Math.sqrt(1 - kept * kept) * random()
    return off
  })
}

t.test('heights of GPS that drift on flat ground are hardly any climb', async t => {
  const timeS = Float64Array.from({ length: 3601 }, (_, i) => i)
  t.doesNotThrow(() => fc.assert(fc.property(
    numbers, fc.integer({ min: 2, max: 8 }), fc.integer({ min: 8, max: 90 }),
    (seed, deviation, forgottenS) => {
      const heights = drifting(3600, deviation, forgottenS, normal(seed)).map((off) => 200 + off)
      const { gainM } = elevationOf(timeS, heights, thresholdOf(timeS, heights, 'gps'))!
      near('the gain', gainM, 0, 0, 15 * deviation)
    }
  ), SEED))
  const heights = drifting(1800, 6, 20, normal(7))
  const points = straight(1800, { step: 1 }).map((point, i): MadePoint => ({ ...point, ele: 200 + heights[i]! }))
  const text = new TextDecoder().decode(madeAs('gpx', { points })).replace('creator="Made"', 'creator="StravaGPX iPhone"')
  const summary = summaryOf(decode(bytesOf(text))[0]!)
  t.equal(summary.elevation!.source, 'gps')
  near('the grade-adjusted pace', summary.grade_adjusted_pace_s_per_km!, 333.3, 0.02)
})

t.test('hills that GPS measured stay, round or sharp, with a little noise and without', async t => {
  const timeS = Float64Array.from({ length: 3601 }, (_, i) => i)
  t.doesNotThrow(() => fc.assert(fc.property(
    numbers, fc.integer({ min: 25, max: 80 }), fc.constantFrom(200, 300, 600, 900), fc.boolean(),
    fc.constantFrom(0, 0.5, 1, 2),
    (seed, heightM, period, isSharp, noiseM) => {
      const random = normal(seed)
      const heights = timeS.map((time) => {
        const share = time % period / period
        const hill = isSharp ? 2 * Math.min(share, 1 - share) : (1 - Math.cos(2 * Math.PI * share)) / 2
        return 200 + heightM * hill + noiseM * random()
      })
      const { gainM } = elevationOf(timeS, heights, thresholdOf(timeS, heights, 'gps'))!
      near('the gain', gainM, heightM * 3600 / period, 0.15)
    }
  ), SEED))
})
