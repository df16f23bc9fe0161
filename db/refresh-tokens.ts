import type { Transaction } from 'kysely'
import type { Database } from './dialects/dialect.ts'
import type { RefreshTokenTable, Schema } from './schema.ts'
import { lockUser, type UserRow } from './users.ts'

/** A session: the refresh tokens that come one from the other, since one sign-in. */
export type Session = Pick<RefreshTokenTable, 'family' | 'user_id' | 'address' | 'signed_in_at'>

interface NewToken {
  hash: string
  expires_at: string
}

/** `used_at` of the tokens of an ended session: so long ago that no grace reaches it. */
const ended = new Date(0).toISOString()

/**
 * Begins a session with its first token, and forgets what the account has expired. Gives false, and
 * begins none, when the account no longer is as `user` says: its password was changed, or it was
 * removed, after the sign-in had been checked.
 */
export async function beginSession(
  { writer }: Database,
  user: UserRow,
  session: Omit<Session, 'user_id'>,
  token: NewToken,
): Promise<boolean> {
  return writer.transaction().execute(async (trx) => {
    const now = await lockUser(trx, user.id)
    if (now?.password_hash !== user.password_hash || now.firebase_uid !== user.firebase_uid) {
      return false
    }
    await forgetExpired(trx, user.id)
    await insertToken(trx, { ...session, user_id: user.id }, token)
    return true
  })
}

/** A token's session; `used_at` is when the token was exchanged. */
export type KnownSession = Session & { used_at: string | null }

/** The session of a token, used or not; undefined when it was never given out or has expired. */
export function findSession({ reader }: Database, hash: string): Promise<KnownSession | undefined> {
  return reader
    .selectFrom('refresh_tokens')
    .select(['family', 'user_id', 'address', 'signed_in_at', 'used_at'])
    .where('hash', '=', hash)
    .where('expires_at', '>', timestamp())
    .executeTakeFirst()
}

/** Whether a token may be exchanged: never used, or used less than `grace` seconds ago. */
export const isExchangeable = ({ used_at }: Pick<KnownSession, 'used_at'>, grace: number) =>
  used_at === null || (grace > 0 && Date.parse(used_at) > Date.now() - grace * 1000)

/**
 * Exchanges the token `hash` for `next`. Within `grace` seconds the same token gives further ones, of
 * the same session: of a client's second tab, or one that lost the answer. `reused`, and the end of
 * the session, when the token was exchanged before that: somebody has a copy (RFC 9700, 4.14.2).
 */
export async function rotateToken(
  { writer }: Database,
  session: Session,
  hash: string,
  next: NewToken,
  grace: number,
): Promise<'exchanged' | 'ended' | 'reused'> {
  return writer.transaction().execute(async (trx) => {
    await lockUser(trx, session.user_id)
    const tokens = trx.updateTable('refresh_tokens').where('hash', '=', hash)
    const token = await trx
      .selectFrom('refresh_tokens')
      .select('used_at')
      .where('hash', '=', hash)
      .executeTakeFirst()
    if (token === undefined || token.used_at === ended) return 'ended'
    if (!isExchangeable(token, grace)) {
      await endTokens(trx, { family: session.family })
      return 'reused'
    }
    if (token.used_at === null) await tokens.set({ used_at: timestamp() }).execute()
    // A client may exchange its tokens for ever, and never sign in again.
    await forgetExpired(trx, session.user_id)
    await insertToken(trx, session, next)
    return 'exchanged'
  })
}

async function forgetExpired(trx: Transaction<Schema>, userId: number): Promise<void> {
  await trx
    .deleteFrom('refresh_tokens')
    .where('user_id', '=', userId)
    .where('expires_at', '<', timestamp())
    .execute()
}

async function insertToken(
  trx: Transaction<Schema>,
  { family, user_id, address, signed_in_at }: Session,
  token: NewToken,
): Promise<void> {
  const row = { family, user_id, address, signed_in_at, ...token, used_at: null }
  await trx.insertInto('refresh_tokens').values(row).execute()
}

/**
 * Ends one session, or all of an account, at once and without grace. The rows stay until they expire:
 * the address that they were given to remains known (see `isKnownAddress`).
 */
export async function endSessions(
  { writer }: Database,
  of: { user_id: number; family?: string },
): Promise<void> {
  await writer.transaction().execute(async (trx) => {
    await lockUser(trx, of.user_id)
    await endTokens(trx, of.family === undefined ? of : { family: of.family })
  })
}

/** Ends sessions within a transaction that holds the account's lock (see `lockUser`). */
export async function endTokens(
  trx: Transaction<Schema>,
  of: { family: string } | { user_id: number },
): Promise<void> {
  const [[column, value]] = Object.entries(of) as [['family' | 'user_id', string | number]]
  await trx
    .updateTable('refresh_tokens')
    .set({ used_at: ended })
    .where(column, '=', value)
    .execute()
}

/** Whether the account with this e-mail has signed in from `address` in the last REFRESH_TTL. */
export async function isKnownAddress(
  { reader }: Database,
  email: string,
  address: string,
): Promise<boolean> {
  const known = await reader
    .selectFrom('refresh_tokens as r')
    .innerJoin('users as u', 'u.id', 'r.user_id')
    .select('r.hash')
    .where('u.email', '=', email)
    .where('r.address', '=', address)
    .where('r.expires_at', '>', timestamp())
    .executeTakeFirst()
  return known !== undefined
}

const timestamp = () => new Date().toISOString()
