import { Type, type Static } from '@sinclair/typebox'
import { Id, Moment, PageQuery, nullable, page, text } from './common.ts'

const scope = Type.Unsafe<'read' | 'write'>(Type.String({ enum: ['read', 'write'] }))

export const ApiKey = Type.Object({
  id: Id,
  name: Type.String(),
  scopes: Type.Array(scope),
  created_at: Moment,
  expires_at: nullable(Moment),
  last_used_at: nullable(Type.String({ format: 'date-time', description: 'ISO 8601, UTC; accurate to the minute' }))
}, { title: 'ApiKey' })
export type ApiKey = Static<typeof ApiKey>

export const NewApiKey = Type.Object(
  {
    name: text(100),
    scopes: Type.Array(scope, {
      minItems: 1,
      maxItems: 2,
      uniqueItems: true,
      contains: Type.Literal('read'),
      description: '`["read"]` or `["read", "write"]`'
    }),
    expires_at: Type.Optional(nullable(Moment))
  },
  { additionalProperties: false }
)
export type NewApiKey = Static<typeof NewApiKey>

export const CreatedApiKey = Type.Object({
  ...ApiKey.properties,
  key: Type.String({ description: 'The secret key. It is returned only once; the service stores only its hash' })
}, { title: 'CreatedApiKey' })
export type CreatedApiKey = Static<typeof CreatedApiKey>

export const ApiKeyParams = Type.Object({ key_id: Id })
export const ApiKeyQuery = Type.Object(PageQuery, { additionalProperties: false })
export const ApiKeyPage = page(ApiKey)
