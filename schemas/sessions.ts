import { Type, type Static } from '@sinclair/typebox'
import { User } from './accounts.ts'

/** Any string is accepted as a password here: only the hash decides whether it is correct. */
export const Login = Type.Object({
  email: Type.String({ minLength: 1, maxLength: 254 }),
  password: Type.String({ minLength: 1, maxLength: 200 })
}, { additionalProperties: false })
export type Login = Static<typeof Login>

/** Any string: a malformed token gets the same response as an invalid or expired one. */
export const RefreshToken = Type.Object({
  refresh_token: Type.String({ minLength: 1, maxLength: 1000 })
}, { additionalProperties: false })
export type RefreshToken = Static<typeof RefreshToken>

export const Session = Type.Object({
  user: User,
  access_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Lifetime of the access token in seconds' }),
  refresh_token: Type.String({ description: 'Valid for one refresh' })
}, { title: 'Session' })
export type Session = Static<typeof Session>
