import type { Database } from './dialects/dialect.ts'
import { endTokens } from './refresh-tokens.ts'
import { lockUser, type UserRow } from './users.ts'

/**
 * Puts another hash of the same password in the place of the one that `user` has; false if the
 * account's password is no longer that.
 */
export const replaceHash = (database: Database, user: UserRow, hash: string): Promise<boolean> =>
  swapHash(database, user, hash, false)

/** Gives the account a new password, and ends all its sessions; false as above, and nothing is done. */
export const changePassword = (database: Database, user: UserRow, hash: string): Promise<boolean> =>
  swapHash(database, user, hash, true)

async function swapHash(
  { writer }: Database,
  { id, password_hash: former }: UserRow,
  password_hash: string,
  isNew: boolean,
): Promise<boolean> {
  return writer.transaction().execute(async (trx) => {
    const user = await lockUser(trx, id)
    if (user?.password_hash !== former) return false
    await trx.updateTable('users').set({ password_hash }).where('id', '=', id).execute()
    if (isNew) await endTokens(trx, { user_id: id })
    return true
  })
}
