import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

const Word = Type.String({ maxLength: 256 })

/** One line of the log: the format that log collectors can rely on. */
export const LogLine = Type.Object(
  {
    timestamp: Type.String({
      pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
      description: 'ISO 8601, UTC, milliseconds'
    }),
    level: Type.Unsafe<'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'>({
      type: 'string',
      enum: ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']
    }),
    logger_name: Type.String({ maxLength: 256, description: 'The component, for example app.request or app.db' }),
    message: Type.String({ maxLength: 8192 }),
    request_id: Type.Optional(Word),
    user_id: Type.Optional(Word),
    method: Type.Optional(Word),
    path: Type.Optional(Type.String({ maxLength: 4096, description: 'Without the query string' })),
    status_code: Type.Optional(Type.Integer({ minimum: 0, maximum: 999 })),
    duration_ms: Type.Optional(Type.Number({ minimum: 0 })),
    error_id: Type.Optional(Word),
    error_code: Type.Optional(Word),
    exception: Type.Optional(Type.String({ maxLength: 34816, description: 'Stack trace with causes' })),
    status: Type.Optional(Type.String({ maxLength: 256, description: 'Of a health check' })),
    extra: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { minProperties: 1 }))
  },
  {
    $id: 'LogLine',
    additionalProperties: false,
    allOf: [
      { if: { properties: { level: { enum: ['ERROR', 'CRITICAL'] } } }, then: { required: ['error_code'] } },
      {
        if: { properties: { message: { const: 'request completed' }, logger_name: { const: 'app.request' } } },
        then: { required: ['status_code', 'duration_ms'] }
      }
    ]
  }
)
export type LogLine = Static<typeof LogLine>
