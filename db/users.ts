import type { Kysely, Transaction } from 'kysely'
import type { Database } from './dialects/dialect.ts'
import type { Schema, UserTable } from './schema.ts'

export type Role = 'user' | 'admin'

/** An account. `email` is normalized by `normalEmail`. */
export type UserRow = Omit<UserTable, 'id'> & { id: number }

/** The public fields of an account: no password hash, no Firebase uid. */
export interface PublicUser {
  id: number
  email: string
  role: Role
}

export const publicUser = ({ id, email, role }: UserRow): PublicUser => ({ id, email, role })

/** Printable ASCII around one `@`. Both databases compare such addresses alike. */
export const emailPattern = '^[!-?A-~]+@[!-?A-~]+$'
export const maxEmailLength = 254
/** Characters of a password, as NFKC has them. */
export const passwordLength = { min: 8, max: 128 }
const email = new RegExp(emailPattern)

export const isEmail = (text: string | undefined): text is string =>
  text !== undefined && text.length <= maxEmailLength && email.test(text)

/** Normalizes an address for storage and comparison. Lower case suffices, since addresses are ASCII. */
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
 * Inserts an account and returns its row.
 * @throws EmailTaken when an account with this e-mail exists
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
    // The error codes of unique indexes differ between databases, so look whether the row exists.
    const taken = await findUser(writer, { email: row.email })
    if (taken !== undefined) throw new EmailTaken(`${row.email} is taken`, { cause: error })
    throw error
  }
}

/**
 * Locks an account until the transaction ends and returns its current row. Changes of its password and
 * sessions take this lock, so that they run one after the other.
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
