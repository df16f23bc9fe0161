import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { findUser, publicUser, type UserRow } from '../db/users.ts'
import { passwordProblem } from '../plugins/accounts/password-policy.ts'
import type { Proof } from '../plugins/accounts/provider.ts'
import { BadField, Unauthorized } from '../plugins/errors.ts'
import {
  Credentials,
  IdToken,
  OwnerProof,
  PasswordChange,
  PasswordReset,
  RefreshToken,
  Tokens,
  User,
} from '../schemas/accounts.ts'
import { problems } from '../schemas/problems.ts'

const tags = ['accounts']
const responses = (ok: Record<number, TSchema>, ...statuses: number[]) =>
  ({ ...ok, ...problems(...statuses) }) as Record<number, TSchema>

/** Accounts and sessions; see docs/accounts.md. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { accounts, database, sessions, signInThrottle: throttle } = app
  // Answers with tokens in them are for one reader, once (RFC 6749, 5.1).
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.post(
    '/signup',
    {
      onRequest: throttle.byAddress,
      preHandler: throttle.byAccount,
      schema: {
        operationId: 'signUp',
        summary: 'Make an account, with the role user',
        tags,
        body: Credentials,
        response: responses({ 201: User }, 400, 409, 429, 503),
      },
    },
    async ({ body: { email, password } }, reply) => {
      const problem = passwordProblem(password, email)
      if (problem !== undefined) throw new BadField('password', problem)
      const user = await accounts.signUp(email, password)
      return reply.code(201).header('location', 'me').send(publicUser(user))
    },
  )

  app.post(
    '/signin',
    {
      onRequest: throttle.byAddress,
      preHandler: throttle.byAccount,
      schema: {
        operationId: 'signIn',
        summary: 'Begin a session with e-mail and password',
        tags,
        body: Credentials,
        response: responses({ 200: Tokens }, 400, 401, 429, 503),
      },
    },
    async (request) => {
      const { email, password } = request.body
      const signedIn = await accounts.signIn(email, password)
      return sessions.begin(signedIn, app.addressHash(request))
    },
  )

  app.post(
    '/signin/firebase',
    {
      onRequest: throttle.byAddress,
      schema: {
        operationId: 'signInWithFirebase',
        summary: 'Begin a session with a Firebase ID token, such as one of a Google sign-in',
        tags,
        body: IdToken,
        response: responses({ 200: Tokens }, 400, 401, 404, 409, 429, 503),
      },
    },
    async (request) => {
      const signedIn = await accounts.exchange(request.body.idToken)
      return sessions.begin(signedIn, app.addressHash(request))
    },
  )

  app.post(
    '/refresh',
    {
      onRequest: throttle.byAddress,
      schema: {
        operationId: 'refresh',
        summary: 'Exchange a refresh token for new tokens',
        description:
          'A refresh token may come again for `REFRESH_GRACE` (30 s) and gets further tokens of the same session. One that comes later ends the session: somebody has a copy.',
        tags,
        body: RefreshToken,
        response: responses({ 200: Tokens }, 400, 401, 429, 503),
      },
    },
    async ({ body }) => sessions.refresh(body.refreshToken),
  )

  app.post(
    '/signout',
    {
      schema: {
        operationId: 'signOut',
        summary: 'End the session of a refresh token',
        description: 'The access token stands until it expires.',
        tags,
        body: RefreshToken,
        response: responses({ 204: Type.Null() }, 400, 429, 503),
      },
    },
    async ({ body }, reply) => {
      await sessions.end(body.refreshToken)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/me',
    {
      onRequest: app.requireRole('user'),
      schema: {
        operationId: 'me',
        summary: 'The account of the access token, as it is now',
        tags,
        response: responses({ 200: User }, 401, 503),
      },
    },
    async (request) => publicUser(await callerOf(request)),
  )

  app.post(
    '/me/password',
    {
      onRequest: [throttle.byAddress, app.requireRole('user')],
      preHandler: throttle.byAccount,
      schema: {
        operationId: 'changePassword',
        summary: 'Change the password',
        description:
          'All sessions of the account end, and the answer begins a new one. Access tokens stand until they expire.',
        tags,
        body: PasswordChange,
        response: responses({ 200: Tokens }, 400, 401, 429, 503),
      },
    },
    async (request) => {
      const { password, newPassword } = request.body
      const user = await callerOf(request)
      const problem = passwordProblem(newPassword, user.email)
      if (problem !== undefined) throw new BadField('newPassword', problem)
      await accounts.confirm(user, { password })
      await accounts.changePassword(user, newPassword)
      // By the provider's own clock: it ends what was signed in before the change.
      return sessions.begin(
        await accounts.signIn(user.email, newPassword),
        app.addressHash(request),
      )
    },
  )

  app.post(
    '/me/remove',
    {
      onRequest: [throttle.byAddress, app.requireRole('user')],
      preHandler: throttle.byAccount,
      schema: {
        operationId: 'removeAccount',
        summary: 'Remove the account',
        description:
          'Takes the password, or the Firebase ID token of a sign-in in the last five minutes. Access tokens stand until they expire.',
        tags,
        body: OwnerProof,
        response: responses({ 204: Type.Null() }, 400, 401, 404, 429, 503),
      },
    },
    async (request, reply) => {
      const user = await callerOf(request)
      await accounts.confirm(user, request.body as Proof)
      await accounts.remove(user)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/reset',
    {
      onRequest: throttle.byAddress,
      schema: {
        operationId: 'resetPassword',
        summary: 'Set the password by a one-time token of `npm run user -- reset EMAIL`',
        tags,
        body: PasswordReset,
        response: responses({ 204: Type.Null() }, 400, 404, 429, 503),
      },
    },
    async ({ body: { token, password } }, reply) => {
      await accounts.resetPassword(token, password)
      return reply.code(204).send(null)
    },
  )

  async function callerOf({ user: { id } }: FastifyRequest): Promise<UserRow> {
    const user = await findUser(database.reader, { id })
    if (user === undefined) throw new Unauthorized('the account is gone', 'invalid_token')
    return user
  }
}

export default routes
