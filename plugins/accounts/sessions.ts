import { createHmac, hash, randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Database } from '../../db/dialects/dialect.ts'
import {
  beginSession,
  endSessions,
  findSession,
  isExchangeable,
  rotateToken,
} from '../../db/refresh-tokens.ts'
import { findUser, type PublicUser, publicUser, type UserRow } from '../../db/users.ts'
import { Unauthorized } from '../errors.ts'
import { type AccountProvider, type SignedIn, WrongCredentials } from './provider.ts'

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
  /** Seconds for which a refresh token goes on to be exchanged after its first exchange. */
  refreshGrace: number
}

export type Sessions = ReturnType<typeof createSessions>

/**
 * Sessions: a short-lived access token, which is not looked up, and a refresh token of 256 random bits, kept
 * as its hash and good for one exchange, or for several within a short grace (RFC 9700, 4.14.2).
 */
export function createSessions(parts: SessionParts) {
  const { database, accounts, accessToken, log, accessTtl, refreshTtl, refreshGrace } = parts

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
    /**
     * Begins a session; `address` is the keyed hash of where from.
     * @throws WrongCredentials when the password was changed, or the account removed, meanwhile
     */
    async begin({ user, at }: SignedIn, address: string): Promise<Tokens> {
      const { token, row } = newToken()
      const session = { family: randomUUID(), address, signed_in_at: at.toISOString() }
      if (await beginSession(database, user, session, row)) return answer(user, token)
      throw new WrongCredentials()
    },

    /**
     * Exchanges a refresh token for new tokens, with the role that the account has now.
     * @throws Unauthorized for one unknown, expired or used before the grace, or when the account is
     * gone or disabled
     */
    async refresh(token: string): Promise<Tokens> {
      const given = hashOf(token)
      const session = await findSession(database, given)
      if (session === undefined) throw new RefreshRefused()
      const { family, user_id, signed_in_at } = session
      const user = await findUser(database.reader, { id: user_id })
      if (user === undefined) throw new RefreshRefused()
      if (
        isExchangeable(session, refreshGrace) &&
        !(await accounts.isSessionValid(user, new Date(signed_in_at)))
      ) {
        await endSessions(database, { user_id, family })
        throw new RefreshRefused()
      }
      const fresh = newToken()
      const outcome = await rotateToken(database, session, given, fresh.row, refreshGrace)
      if (outcome === 'exchanged') return answer(user, fresh.token)
      if (outcome === 'reused') {
        log.warn({ user: user_id, family }, 'a used refresh token came back: its session has ended')
      }
      throw new RefreshRefused()
    },

    /** Ends the session of a refresh token; one that is not known has no session to end. */
    async end(token: string): Promise<void> {
      const session = await findSession(database, hashOf(token))
      if (session !== undefined) await endSessions(database, session)
    },
  }
}

class RefreshRefused extends Unauthorized {
  constructor() {
    super('the refresh token is not valid; sign in again')
  }
}

const hashOf = (token: string) => hash('sha256', token, 'base64url')

/** How an address is kept: without the key it cannot be recognized. */
export const addressHash = (key: string, address: string) =>
  createHmac('sha256', key).update(`address ${address}`).digest('base64url')
