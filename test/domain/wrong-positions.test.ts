import fc from 'fast-check'
import t from 'tap'
import { found, near, refuse } from '../harness/fixtures/found.ts'
import { straight, without } from '../harness/fixtures/kinds.ts'
import type { Format, MadePoint } from '../harness/fixtures/kinds.ts'

// Positions that are wrong, late, repeated or of a vehicle, in every format, wherever they are and however many.

const SEED = { seed: 20_261_130, numRuns: 40 }
const DEGREES_PER_M = 1 / 111_195.0802

const format = fc.constantFrom<Format>('fit', 'gpx', 'tcx')
const speed = fc.constantFrom(1.5, 2.5, 3, 4, 5)

t.test('wrong positions are left out, however many follow each other, and the device is believed', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, fc.constantFrom('fit', 'tcx', 'none'), speed, fc.integer({ min: 1, max: 60 }),
    fc.constantFrom('start', 'middle', 'end'), fc.integer({ min: 1100, max: 30_000 }), fc.boolean(),
    (kind, device, speed, wrong, where, awayM, east) => {
      const first = where === 'start' ? 0 : where === 'end' ? 601 - wrong : 300
      const points = straight(600, { speed, step: 1 }).map((point, i): MadePoint => i < first || i >= first + wrong
        ? point
        : { ...point, [east ? 'lon' : 'lat']: (east ? point.lon! : point.lat!) + awayM * DEGREES_PER_M })
      const total = 600 * speed
      const isTold = device !== 'none' && kind !== 'gpx'
      const session = { elapsed: 600, timer: 600, dist: total }
      const { distance, moving, codes } = found(kind, isTold
        ? { points, session, laps: [{ from: 0, ...session, points: 601 }] }
        : { points: without(points, 'dist') })
      near('the distance', distance, isTold || where === 'middle' ? total : total - wrong * speed, 0.01)
      if (isTold) near('moving', moving, 600)
      refuse(codes, 'DISTANCE_IMPOSSIBLE', 'DISTANCE_CONTRADICTED', 'MOVING_IMPOSSIBLE')
      if (!codes.includes('POSITIONS_IMPOSSIBLE')) throw new Error('no warning')
    }
  ), SEED))
})

t.test('a position that is repeated for some seconds is neither wrong nor standing', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, fc.boolean(), speed, fc.integer({ min: 2, max: 30 }),
    (kind, isTold, speed, every) => {
      const seconds = 20 * every
      const all = straight(seconds, { speed, step: 1 })
      const points = all.map((point, i): MadePoint => ({ ...point, lat: all[i - i % every]!.lat }))
      const { distance, moving, codes } = found(kind, isTold
        ? { points, session: { elapsed: seconds, timer: seconds, dist: seconds * speed } }
        : { points: without(points, 'dist') })
      near('the distance', distance, seconds * speed)
      near('moving', moving, seconds)
      refuse(codes, 'POSITIONS_IMPOSSIBLE', 'DISTANCE_IMPOSSIBLE', 'DISTANCE_CONTRADICTED', 'MOVING_IMPOSSIBLE')
    }
  ), SEED))
})

t.test('the way through a tunnel counts', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, speed, fc.integer({ min: 2, max: 120 }), fc.integer({ min: 60, max: 400 }),
    (kind, speed, tunnel, from) => {
      const all = straight(600, { speed, step: 1 })
      const points = all.map((point, i): MadePoint =>
        i >= from && i < from + tunnel ? { ...point, lat: all[from]!.lat } : point)
      const { distance, moving, codes } = found(kind, { points: without(points, 'dist') })
      near('the distance', distance, 600 * speed)
      near('moving', moving, 600)
      refuse(codes, 'POSITIONS_IMPOSSIBLE', 'DISTANCE_IMPOSSIBLE')
    }
  ), SEED))
})

t.test('what a vehicle covers between two parts of a run does not count', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    format, fc.integer({ min: 400, max: 900 }), fc.integer({ min: 60, max: 300 }), fc.integer({ min: 300, max: 600 }),
    fc.integer({ min: 15, max: 40 }),
    (kind, before, ride, after, rideSpeed) => {
      const points = without([
        ...straight(before - 1, { step: 1 }),
        ...straight(ride - 1, { step: 1, from: before, fromM: before * 3, speed: rideSpeed }),
        ...straight(after, { step: 1, from: before + ride, fromM: before * 3 + ride * rideSpeed })
      ], 'dist')
      const { distance, moving, elapsed } = found(kind, { points })
      near('the distance', distance, 3 * (before + after), 0.01)
      near('moving', moving, before + after, 0.02)
      near('elapsed', elapsed, before + ride + after)
    }
  ), SEED))
})

t.test('what is covered on a ferry does not count where summary, laps and timer say so, with or without events', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(
    fc.constantFrom<Format>('fit', 'tcx'), fc.boolean(), fc.integer({ min: 100, max: 600 }), fc.integer({ min: 60, max: 400 }),
    fc.integer({ min: 100, max: 600 }), fc.integer({ min: 5, max: 11 }),
    (kind, hasEvents, before, crossing, after, ferrySpeed) => {
      const points = without([
        ...straight(before - 1, { step: 1 }),
        ...straight(crossing - 1, { step: 1, from: before, fromM: before * 3, speed: ferrySpeed }),
        ...straight(after, { step: 1, from: before + crossing, fromM: before * 3 + crossing * ferrySpeed })
      ], 'dist')
      const elapsed = before + crossing + after
      const total = { timer: before + after, dist: 3 * (before + after), elapsed }
      const { distance, moving, codes, ...figures } = found(kind, {
        points,
        session: total,
        laps: [{ from: 0, ...total, points: points.length }],
        pauses: hasEvents && kind === 'fit' ? [[before, before + crossing]] : []
      })
      near('the distance', distance, total.dist, 0.01)
      near('moving', moving, total.timer, 0.01)
      near('elapsed', figures.elapsed, elapsed)
      refuse(codes, 'DISTANCE_IMPOSSIBLE', 'MOVING_IMPOSSIBLE')
    }
  ), SEED))
})
