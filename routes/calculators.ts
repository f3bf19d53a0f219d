import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LoadModelCalculation, LoadModelQuery, RaceCalculation, RaceQuery } from '../schemas/calculators.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { LOAD_MODELS, loadModel } from '../src/domain/training/load-model.ts'
import { equivalents, isBeyondRecord, RACE_MODELS } from '../src/domain/training/race-prediction.ts'
import { trainingPaces } from '../src/domain/training/training-paces.ts'
import { FITTED_S, vdotOf } from '../src/domain/training/vdot.ts'
import { rounded } from '../src/domain/units.ts'
import { invalid, unfit } from '../src/errors.ts'
import { answering } from '../src/http/answer.ts'
import { publicRepresentation } from '../src/http/etag.ts'

/** Race times that are answered, in seconds: 1 to 360 minutes. */
const ANSWERED_S = { least: 60, most: 360 * 60 } as const
const MOST_LOADS = 400
const HIGHEST_LOAD = 10_000
const NUMBER = /^\d+(\.\d+)?$/

/** Calculators for everybody: no account, and any cache may keep the answers. */
export const calculatorRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const tags = ['Calculators']

  app.get('/race', {
    schema: {
      operationId: 'calculateRace',
      summary: 'Calculate equivalent race times and training paces',
      description:
        'What a race result is worth: its VDOT, the times of an equal performance over other distances by three ' +
        'models, and training paces. Needs no account.',
      tags,
      security: [],
      querystring: RaceQuery,
      response: { 200: RaceCalculation, 304: NotModified, ...errors(400, 422, 429) }
    }
  }, answering(async (request) => {
    const { distance_m: distanceM, time_s: timeS } = request.query
    if (!(timeS >= ANSWERED_S.least && timeS <= ANSWERED_S.most)) {
      throw invalid('time_s', 'time_s must be between 60 and 21,600 seconds (1 to 360 minutes)')
    }
    if (isBeyondRecord({ distanceM, timeS })) {
      throw invalid('time_s', 'time_s is faster than the world record over this distance')
    }
    const vdot = vdotOf(distanceM, timeS)
    if (!(vdot > 0)) throw invalid('time_s', 'time_s is slower than any speed that VDOT is defined for')
    return publicRepresentation(request, {
      vdot: rounded(vdot, 4)!,
      extrapolated: timeS < FITTED_S.least || timeS > FITTED_S.most,
      training_paces: trainingPaces(vdot),
      equivalents: equivalents({ distanceM, timeS }),
      models: RACE_MODELS
    })
  }))

  app.get('/load-model', {
    schema: {
      operationId: 'calculateLoadModel',
      summary: 'Calculate fitness, fatigue and strain of daily loads',
      description:
        'CTL, ATL and form at the end of each day, from 0 before the first; acute:chronic workload ratio, monotony ' +
        'and strain of the last day. Needs no account.',
      tags,
      security: [],
      querystring: LoadModelQuery,
      response: { 200: LoadModelCalculation, 304: NotModified, ...errors(422, 429) }
    }
  }, answering(async (request) => {
    const days = loadModel(readLoads(request.query.loads))
    const { acwr, monotony, strain } = days.at(-1)!
    return publicRepresentation(request, {
      days: days.map(({ ctl, atl, form_same_day, form_prior_day }) => ({
        ctl: figure(ctl)!,
        atl: figure(atl)!,
        form_same_day: figure(form_same_day)!,
        form_prior_day: figure(form_prior_day)!
      })),
      acwr: { rolling: figure(acwr.rolling), ewma: figure(acwr.ewma), uncoupled: figure(acwr.uncoupled) },
      monotony: figure(monotony),
      strain: figure(strain),
      models: LOAD_MODELS
    })
  }))
}

/** @throws AppError REQUEST_VALIDATION_ERROR */
function readLoads (text: string): number[] {
  const parts = text.split(',')
  if (parts.length > MOST_LOADS) {
    throw unfit('loads', 'querystring', `must be at most ${MOST_LOADS} numbers with commas between them`)
  }
  return parts.map((part, i) => {
    const load = Number(part)
    if (NUMBER.test(part) && load <= HIGHEST_LOAD) return load
    throw unfit('loads', 'querystring', `must be numbers from 0 to ${HIGHEST_LOAD}; number ${i + 1} is not`)
  })
}

function figure (value: number | null): number | null {
  return rounded(value, 4)
}
