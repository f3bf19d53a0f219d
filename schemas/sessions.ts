import { Type, type Static } from '@sinclair/typebox'
import { Password, TimeZone, User } from './accounts.ts'

export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  format: 'email-address',
  description: 'At most 254 characters; compared without regard to case'
})

export const Registration = Type.Object({
  email: Email,
  password: Password,
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  timezone: Type.Optional(TimeZone)
}, { additionalProperties: false })
export type Registration = Static<typeof Registration>

/** Any string is taken as a password here: what is wrong is told from what is right by the hash alone. */
export const Login = Type.Object({
  email: Type.String({ minLength: 1, maxLength: 254 }),
  password: Type.String({ minLength: 1, maxLength: 200 })
}, { additionalProperties: false })
export type Login = Static<typeof Login>

/** Any string: what is no token is answered as one that is not valid (any more). */
export const RefreshToken = Type.Object({
  refresh_token: Type.String({ minLength: 1, maxLength: 1000 })
}, { additionalProperties: false })
export type RefreshToken = Static<typeof RefreshToken>

export const Session = Type.Object({
  user: User,
  access_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Seconds the access token lives' }),
  refresh_token: Type.String({ description: 'Good for one refresh' })
}, { title: 'Session' })
export type Session = Static<typeof Session>
