import type { Kysely, Transaction } from 'kysely'
import type { Database } from './dialects/dialect.ts'
import type { Schema, UserTable } from './schema.ts'

export type Role = 'user' | 'admin'

/** An account. `email` is in its normal form; see `normalEmail`. */
export type UserRow = Omit<UserTable, 'id'> & { id: number }

/** What an account is known by outside: no hash, no id of the provider. */
export interface PublicUser {
  id: number
  email: string
  role: Role
}

export const publicUser = ({ id, email, role }: UserRow): PublicUser => ({ id, email, role })

/** Printable ASCII around one `@`: all that both databases compare alike. */
export const emailPattern = '^[!-?A-~]+@[!-?A-~]+$'
export const longestEmail = 254
const email = new RegExp(emailPattern)

export const isEmail = (text: string | undefined): text is string =>
  text !== undefined && text.length <= longestEmail && email.test(text)

/** The form in which addresses are stored and compared; they are ASCII, so one case is enough. */
export const normalEmail = (email: string) => email.trim().toLowerCase()

/** An account with this e-mail exists already. */
export class EmailTaken extends Error {
  override name = 'EmailTaken'
}

const columns = ['id', 'email', 'role', 'password_hash', 'firebase_uid', 'created_at'] as const

export function findUser(
  db: Kysely<Schema>,
  by: { id: number } | { email: string } | { firebase_uid: string },
): Promise<UserRow | undefined> {
  const [[column, value]] = Object.entries(by) as [[keyof UserTable, string | number]]
  return db.selectFrom('users').select(columns).where(column, '=', value).executeTakeFirst()
}

/**
 * Adds an account and gives its row.
 * @throws EmailTaken when one with this e-mail is there already
 */
export async function insertUser(
  { writer }: Database,
  values: Partial<UserRow> & { email: string; role: Role },
): Promise<UserRow> {
  const row = { password_hash: null, firebase_uid: null, ...values, created_at: now() }
  try {
    return await writer.transaction().execute(async (trx) => {
      await trx.insertInto('users').values(row).execute()
      return (await findUser(trx, { email: row.email }))!
    })
  } catch (error) {
    // Each database has its own code for a broken unique index; that the row is there is the fact.
    const taken = await findUser(writer, { email: row.email })
    if (taken !== undefined) throw new EmailTaken(`${row.email} is taken`, { cause: error })
    throw error
  }
}

/**
 * The account as it now stands, locked until the transaction ends: what changes an account's password
 * or sessions does so one at a time.
 */
export async function lockUser(trx: Transaction<Schema>, id: number): Promise<UserRow | undefined> {
  // An update to the same value locks the row on both databases.
  const lock = trx.updateTable('users').set((eb) => ({ role: eb.ref('role') }))
  await lock.where('id', '=', id).execute()
  return findUser(trx, { id })
}

/** Changes an account. */
export async function updateUser(
  { writer }: Database,
  id: number,
  changes: Partial<Pick<UserTable, 'role' | 'password_hash' | 'firebase_uid'>>,
): Promise<void> {
  await writer
    .transaction()
    .execute((trx) => trx.updateTable('users').set(changes).where('id', '=', id).execute())
}

/** Removes an account and its sessions. */
export async function deleteUser({ writer }: Database, id: number): Promise<void> {
  await writer
    .transaction()
    .execute((trx) => trx.deleteFrom('users').where('id', '=', id).execute())
}

/** All accounts by e-mail. */
export function listUsers({ reader }: Database): Promise<UserRow[]> {
  return reader.selectFrom('users').select(columns).orderBy('email').execute()
}

const now = () => new Date().toISOString()
