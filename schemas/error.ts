import { Type, type Static } from '@sinclair/typebox'
import { ERROR_CODES } from '../src/errors.ts'

/** The body of every response with a status of 400 or above. */
export const ErrorEnvelope = Type.Object(
  {
    error_id: Type.String({ format: 'uuid', description: 'Identifies this occurrence, in the log too' }),
    error_code: Type.String({ enum: [...ERROR_CODES], description: 'The kind of error, for programs' }),
    message: Type.String({ description: 'A description for people' }),
    timestamp: Type.String({ format: 'date-time', description: 'When the error occurred, ISO 8601, UTC' }),
    details: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'Further details, if any' })
    )
  },
  { $id: 'ErrorEnvelope', title: 'Error' }
)
export type ErrorEnvelope = Static<typeof ErrorEnvelope>

type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 422 | 429 | 500 | 503

/** The error responses of a route, for its `response` table: the given ones, and those that every route has. */
export function errors<S extends ErrorStatus> (...statuses: S[]) {
  const reference = Type.Unsafe<ErrorEnvelope>({ $ref: 'ErrorEnvelope#' })
  const table = {} as Record<S | 500 | 503, typeof reference>
  for (const status of [...statuses, 500, 503] as const) table[status as S] = reference
  return table
}
