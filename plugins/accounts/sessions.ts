import { createHmac, hash, randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Database } from '../../db/dialects/dialect.ts'
import { beginSession, endSessions, findSession, rotateToken } from '../../db/refresh-tokens.ts'
import { findUser, type PublicUser, publicUser, type UserRow } from '../../db/users.ts'
import { Unauthorized } from '../errors.ts'
import type { AccountProvider, SignedIn } from './provider.ts'

/** What a sign-in is answered with. */
export interface Tokens {
  accessToken: string
  tokenType: 'Bearer'
  /** Seconds. */
  expiresIn: number
  refreshToken: string
  user: PublicUser
}

export interface SessionParts {
  database: Database
  accounts: AccountProvider
  accessToken: (user: UserRow) => string
  log: FastifyBaseLogger
  /** Lifetimes in seconds. */
  accessTtl: number
  refreshTtl: number
}

export type Sessions = ReturnType<typeof createSessions>

/**
 * Sessions: a short access token, which nobody looks up, and a refresh token of 256 random bits, kept
 * as its hash and good for one exchange.
 */
export function createSessions(parts: SessionParts) {
  const { database, accounts, accessToken, log, accessTtl, refreshTtl } = parts

  function newToken() {
    const token = randomBytes(32).toString('base64url')
    const expires_at = new Date(Date.now() + refreshTtl * 1000).toISOString()
    return { token, row: { hash: hashOf(token), expires_at } }
  }

  const answer = (user: UserRow, refreshToken: string): Tokens => ({
    accessToken: accessToken(user),
    tokenType: 'Bearer',
    expiresIn: accessTtl,
    refreshToken,
    user: publicUser(user),
  })

  return {
    /** Begins a session; `address` is the keyed hash of where from. */
    async begin({ user, at }: SignedIn, address: string): Promise<Tokens> {
      const { token, row } = newToken()
      const session = { family: randomUUID(), user_id: user.id, address }
      await beginSession(database, { ...session, signed_in_at: at.toISOString() }, row)
      return answer(user, token)
    },

    /**
     * Exchanges a refresh token for new tokens, with the role that the account has now.
     * @throws Unauthorized for one unknown, expired or used, or when the account is gone or disabled
     */
    async refresh(token: string): Promise<Tokens> {
      const given = hashOf(token)
      const session = await findSession(database, given)
      if (session === undefined) throw new RefreshRefused()
      const { family, user_id, signed_in_at, used_at } = session
      const user = await findUser(database.reader, { id: user_id })
      if (user === undefined) throw new RefreshRefused()
      if (used_at === null && !(await accounts.stands(user, new Date(signed_in_at)))) {
        await endSessions(database, { family })
        throw new RefreshRefused()
      }
      const fresh = newToken()
      if (await rotateToken(database, session, given, fresh.row)) return answer(user, fresh.token)
      log.warn({ user: user_id, family }, 'a used refresh token came back: its session has ended')
      throw new RefreshRefused()
    },

    /** Ends the session of a refresh token; one that is not known has no session to end. */
    async end(token: string): Promise<void> {
      const session = await findSession(database, hashOf(token))
      if (session !== undefined) await endSessions(database, { family: session.family })
    },
  }
}

class RefreshRefused extends Unauthorized {
  constructor() {
    super('the refresh token is not valid; sign in again')
  }
}

const hashOf = (token: string) => hash('sha256', token, 'base64url')

/** How an address is kept: nobody without the key can tell which it is. */
export const addressHash = (key: string, address: string) =>
  createHmac('sha256', key).update(`address ${address}`).digest('base64url')
