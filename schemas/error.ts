import { Type, type Static } from '@sinclair/typebox'
import { ERROR_CODES } from '../src/errors.ts'

/** What every answer from 400 up is, whatever made it. */
export const ErrorEnvelope = Type.Object(
  {
    error_id: Type.String({ format: 'uuid', description: 'This very error; it is in the log line too' }),
    error_code: Type.String({ enum: [...ERROR_CODES], description: 'What kind of error it is, for machines' }),
    message: Type.String({ description: 'What went wrong, for people' }),
    timestamp: Type.String({ format: 'date-time', description: 'When, ISO 8601 in UTC' }),
    details: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'More, where there is more to say' })
    )
  },
  { $id: 'ErrorEnvelope', title: 'Error' }
)
export type ErrorEnvelope = Static<typeof ErrorEnvelope>

type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 429 | 500 | 503

/** The error answers a route can give, for its `response` table: those named, and those any route can give. */
export function errors<S extends ErrorStatus> (...statuses: S[]) {
  const reference = Type.Unsafe<ErrorEnvelope>({ $ref: 'ErrorEnvelope#' })
  const table = {} as Record<S | 500 | 503, typeof reference>
  for (const status of [...statuses, 500, 503] as const) table[status as S] = reference
  return table
}
