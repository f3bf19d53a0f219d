import { Type, type Static } from '@sinclair/typebox'
import { Id, Moment, nullable } from './common.ts'

export const TimeZone = Type.String({
  minLength: 1,
  maxLength: 64,
  format: 'time-zone',
  description: 'IANA time zone, for example Europe/Paris'
})
export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  format: 'email-address',
  description: 'At most 254 characters; compared case-insensitively'
})
export const Password = Type.String({ minLength: 10, maxLength: 200, description: '10 to 200 characters' })
export const Units = Type.String({ enum: ['metric', 'imperial'] })

/** A runner's account, as its owner sees it. */
export const User = Type.Object(
  {
    id: Id,
    email: nullable(
      Type.String({
        maxLength: 254,
        description: 'Null if the identity provider supplied no verified address'
      })
    ),
    name: nullable(Type.String()),
    timezone: Type.String({ description: 'IANA time zone' }),
    first_weekday: Type.Integer({ minimum: 1, maximum: 7, description: 'ISO: 1 is Monday' }),
    units: Units,
    created_at: Moment
  },
  { title: 'User' }
)
export type User = Static<typeof User>

export const Registration = Type.Object({
  email: Email,
  password: Password,
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  timezone: Type.Optional(TimeZone)
}, { additionalProperties: false })
export type Registration = Static<typeof Registration>

export const UserChange = Type.Object({
  name: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 100 }))),
  timezone: Type.Optional(TimeZone),
  first_weekday: Type.Optional(Type.Integer({ minimum: 1, maximum: 7, description: 'ISO: 1 is Monday' })),
  units: Type.Optional(Units)
}, { additionalProperties: false, minProperties: 1 })
export type UserChange = Static<typeof UserChange>

export const PasswordChange = Type.Object({
  current_password: Type.String({ minLength: 1, maxLength: 200 }),
  new_password: Password
}, { additionalProperties: false })
export type PasswordChange = Static<typeof PasswordChange>

export const Farewell = Type.Object(
  {
    password: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Required, unless the account has none because it was created by a token of an identity provider'
      })
    )
  },
  { additionalProperties: false }
)
export type Farewell = Static<typeof Farewell>
