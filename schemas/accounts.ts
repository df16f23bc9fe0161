import { Type } from 'typebox'
import { emailPattern, maxEmailLength, passwordLength } from '../db/users.ts'

const example = { email: 'ada@example.com', password: 'a long phrase is best' }

export const Credentials = Type.Object(
  {
    email: Type.String({
      pattern: emailPattern,
      maxLength: maxEmailLength,
      description: 'compared without regard to case',
    }),
    password: Type.String({
      minLength: 1,
      maxLength: 1024,
      description: `${passwordLength.min} to ${passwordLength.max} characters of any kind`,
    }),
  },
  { title: 'Credentials', additionalProperties: false, examples: [example] },
)

export const IdToken = Type.Object(
  { idToken: Type.String({ minLength: 1, maxLength: 8192 }) },
  { additionalProperties: false },
)

const { password } = Credentials.properties

export const PasswordChange = Type.Object(
  { password, newPassword: password },
  {
    additionalProperties: false,
    examples: [{ password: example.password, newPassword: 'an even longer phrase' }],
  },
)

export const PasswordReset = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 128 }), password },
  { additionalProperties: false },
)

export const OwnerProof = Type.Object(
  {
    password: Type.Optional(password),
    idToken: Type.Optional(IdToken.properties.idToken),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    examples: [{ password: example.password }],
  },
)

const refreshToken = Type.String({ minLength: 1, maxLength: 128 })
export const RefreshToken = Type.Object({ refreshToken }, { additionalProperties: false })

export const User = Type.Object(
  { id: Type.Integer(), email: Type.String(), role: Type.Enum(['user', 'admin']) },
  { title: 'User', examples: [{ id: 1, email: example.email, role: 'user' }] },
)

export const Tokens = Type.Object(
  {
    accessToken: Type.String(),
    tokenType: Type.Literal('Bearer'),
    expiresIn: Type.Integer({ description: 'seconds' }),
    refreshToken,
    user: User,
  },
  { title: 'Tokens' },
)
