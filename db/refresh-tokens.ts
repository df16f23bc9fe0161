import type { Database } from './dialects/dialect.ts'
import type { RefreshTokenTable } from './schema.ts'

/** A session: the refresh tokens that come one from the other, since one sign-in. */
export type Session = Pick<RefreshTokenTable, 'family' | 'user_id' | 'address' | 'signed_in_at'>

interface NewToken {
  hash: string
  expires_at: string
}

/** Begins a session with its first token, and forgets what the account has expired. */
export async function beginSession(
  { writer }: Database,
  session: Session,
  token: NewToken,
): Promise<void> {
  await writer.transaction().execute(async (trx) => {
    await trx
      .deleteFrom('refresh_tokens')
      .where('user_id', '=', session.user_id)
      .where('expires_at', '<', now())
      .execute()
    await trx
      .insertInto('refresh_tokens')
      .values({ ...session, ...token, used_at: null })
      .execute()
  })
}

/** The session of a token, used or not; undefined when it was never given out or has expired. */
export function findSession(
  { reader }: Database,
  hash: string,
): Promise<(Session & { used_at: string | null }) | undefined> {
  return reader
    .selectFrom('refresh_tokens')
    .select(['family', 'user_id', 'address', 'signed_in_at', 'used_at'])
    .where('hash', '=', hash)
    .where('expires_at', '>', now())
    .executeTakeFirst()
}

/**
 * Exchanges the token `hash` for `next`; of two requests with one token, one succeeds. Gives false,
 * and ends the session, when the token was used before: somebody has a copy (RFC 9700, 4.14.2).
 */
export async function rotateToken(
  { writer }: Database,
  session: Session,
  hash: string,
  next: NewToken,
): Promise<boolean> {
  const { family, user_id, address, signed_in_at } = session
  return writer.transaction().execute(async (trx) => {
    const used = trx
      .updateTable('refresh_tokens')
      .set({ used_at: now() })
      .where('used_at', 'is', null)
    const { numUpdatedRows } = await used.where('hash', '=', hash).executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) {
      await used.where('family', '=', family).execute()
      return false
    }
    await trx
      .insertInto('refresh_tokens')
      .values({ family, user_id, address, signed_in_at, ...next, used_at: null })
      .execute()
    return true
  })
}

/**
 * Ends one session, or all of an account. The rows stay until they expire: the address that they were
 * given to remains known (see `isKnownAddress`).
 */
export async function endSessions(
  { writer }: Database,
  of: { family: string } | { user_id: number },
): Promise<void> {
  const [[column, value]] = Object.entries(of) as [['family' | 'user_id', string | number]]
  await writer
    .transaction()
    .execute((trx) =>
      trx
        .updateTable('refresh_tokens')
        .set({ used_at: now() })
        .where(column, '=', value)
        .where('used_at', 'is', null)
        .execute(),
    )
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
    .where('r.expires_at', '>', now())
    .executeTakeFirst()
  return known !== undefined
}

const now = () => new Date().toISOString()
