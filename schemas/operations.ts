import { Type, type Static } from '@sinclair/typebox'
import { nullable } from './common.ts'

export const Alive = Type.Object({ status: Type.Literal('alive') })
export const Ready = Type.Object({ status: Type.Literal('ready') })
export const NotReady = Type.Object({
  status: Type.Literal('not_ready'),
  reason: Type.String({ examples: ['the database does not answer'] })
})

const HealthStatus = Type.Unsafe<'healthy' | 'degraded' | 'unhealthy'>({
  type: 'string',
  enum: ['healthy', 'degraded', 'unhealthy']
})

export const Health = Type.Object({
  status: HealthStatus,
  timestamp: Type.String({ format: 'date-time' }),
  uptime_seconds: Type.Number(),
  version: Type.String(),
  checks: Type.Record(Type.String(), Type.Object({
    status: HealthStatus,
    latency_ms: nullable(Type.Number()),
    error: nullable(Type.String())
  }))
}, { title: 'Health' })
export type Health = Static<typeof Health>

export const Welcome = Type.Object({
  name: Type.String(),
  version: Type.String(),
  description: Type.String(),
  links: Type.Record(Type.String(), Type.String())
})
