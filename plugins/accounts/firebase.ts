import { randomUUID } from 'node:crypto'
import type { Config } from '../../config.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { endSessions } from '../../db/refresh-tokens.ts'
import {
  deleteUser,
  EmailTaken,
  findUser,
  insertUser,
  isEmail,
  normalEmail,
  type Role,
  type UserRow,
  updateUser,
} from '../../db/users.ts'
import { BadField, Unauthorized } from '../errors.ts'
import { type FirebaseUsers, hasCode, openFirebase } from './firebase-users.ts'
import {
  AccountExists,
  type AccountProvider,
  type ErrorLog,
  NoResets,
  WrongCredentials,
  WrongProof,
} from './provider.ts'

/** Milliseconds. */
const removeAgainAfter = 30_000
const newSignIn = 300_000

/** Accounts whose passwords Firebase Authentication keeps; `users` has their role. */
export async function firebaseAccounts(
  config: Config,
  database: Database,
  log: ErrorLog,
): Promise<AccountProvider> {
  const firebase = await openFirebase(config)

  /**
   * Takes back a half-made account; when that fails too, once more a little later. What is left even
   * then becomes whole when its owner first signs in.
   */
  async function remove(uid: string) {
    const again = () =>
      firebase
        .remove(uid)
        .catch((err) => log.error({ err, uid }, 'a Firebase user without an account here remains'))
    await firebase.remove(uid).catch(() => void setTimeout(again, removeAgainAfter).unref())
  }

  /**
   * The row of a Firebase user, made where there is none: the user signed up elsewhere. A row with the
   * same e-mail whose own Firebase user is gone is tied to the new one, but as a mere user: an address
   * at Firebase need not be verified.
   */
  async function rowOf(uid: string, given: string): Promise<UserRow> {
    const known = await findUser(database.reader, { firebase_uid: uid })
    if (known !== undefined) return known
    const email = normalEmail(given)
    const row = await findUser(database.reader, { email })
    if (row?.firebase_uid && (await firebase.find(row.firebase_uid))) throw new AccountExists()
    const values = { firebase_uid: uid, role: 'user' as Role, password_hash: null }
    await firebase.mirrorRole(uid, values.role)
    if (row === undefined) return insertOrFind({ email, ...values })
    await endSessions(database, { user_id: row.id })
    await updateUser(database, row.id, values)
    return { ...row, ...values }
  }

  /** Of two first sign-ins at once, one makes the row and the other finds it. */
  async function insertOrFind(values: { email: string; firebase_uid: string; role: Role }) {
    try {
      return await insertUser(database, values)
    } catch (error) {
      const { firebase_uid } = values
      const made = await findUser(database.writer, { firebase_uid })
      if (made !== undefined) return made
      throw error instanceof EmailTaken ? new AccountExists() : error
    }
  }

  return {
    name: 'firebase',
    async signUp(given, password) {
      const email = normalEmail(given)
      if (await findUser(database.reader, { email })) throw new AccountExists()
      // The uid is ours, so that a user can be removed even if the request to make it timed out.
      const uid = randomUUID()
      try {
        await firebase.create({ uid, email, password })
        await firebase.mirrorRole(uid, 'user')
        return await insertUser(database, { email, role: 'user', firebase_uid: uid })
      } catch (error) {
        if (hasCode(error, 'email-already-exists')) throw new AccountExists()
        await remove(uid)
        if (hasCode(error, 'invalid-email')) throw new BadField('email', 'is refused by Firebase')
        throw error instanceof EmailTaken ? new AccountExists() : error
      }
    },
    async signIn(given, password) {
      const found = await firebase.signInWithPassword(normalEmail(given), password)
      if (found === undefined) throw new WrongCredentials()
      return { user: await rowOf(found.uid, given), at: found.at }
    },
    async exchange(idToken) {
      const found = await firebase.verifyIdToken(idToken)
      if (found === undefined) throw new Unauthorized('the ID token is not valid')
      if (!isEmail(found.email)) throw new BadField('idToken', 'has no e-mail address in ASCII')
      return { user: await rowOf(found.uid, found.email), at: found.at }
    },
    async isSessionValid({ firebase_uid }, signedInAt) {
      const user = firebase_uid === null ? undefined : await firebase.find(firebase_uid)
      return user !== undefined && !user.disabled && signedInAt >= user.validSince
    },
    async confirm({ email, firebase_uid }, proof) {
      const found =
        'password' in proof
          ? await firebase.signInWithPassword(email, proof.password)
          : await firebase.verifyIdToken(proof.idToken)
      // An ID token lives for an hour; to show that the owner is here it has to be of a new sign-in.
      const fresh = found !== undefined && Date.now() - found.at.getTime() < newSignIn
      if (found?.uid === firebase_uid && fresh) return
      throw new WrongProof('password' in proof ? 'password' : 'idToken')
    },
    async changePassword(user, password) {
      if (user.firebase_uid === null) throw new WrongProof()
      await firebase.setPassword(user.firebase_uid, password)
      await endSessions(database, { user_id: user.id })
      return user
    },
    async resetPassword() {
      throw new NoResets()
    },
    async remove({ id, firebase_uid: uid }) {
      if (uid !== null) await firebase.remove(uid)
      try {
        await deleteUser(database, id)
      } catch (error) {
        log.error(
          { err: error, user: id },
          'the row of an account that Firebase has removed remains',
        )
        throw error
      }
    },
    async setRole(user, role) {
      await updateUser(database, user.id, { role })
      try {
        if (user.firebase_uid !== null) await firebase.mirrorRole(user.firebase_uid, role)
      } catch (error) {
        await updateUser(database, user.id, { role: user.role })
        throw error
      }
    },
    makeAdmin: (given, password) => makeAdmin(firebase, database, normalEmail(given), password),
    close: firebase.close,
  }
}

async function makeAdmin(
  firebase: FirebaseUsers,
  database: Database,
  email: string,
  password: string,
): Promise<void> {
  const row = await findUser(database.reader, { email })
  if (row?.role === 'admin' && row.firebase_uid !== null) return
  const uid = await firebase.createOrSetPassword(email, password)
  await firebase.mirrorRole(uid, 'admin')
  const admin = { firebase_uid: uid, role: 'admin' as const, password_hash: null }
  const user = await insertUser(database, { email, ...admin }).catch((error) => {
    if (error instanceof EmailTaken) return findUser(database.writer, { email })
    throw error
  })
  if (user === undefined || (user.role === 'admin' && user.firebase_uid === uid)) return
  await endSessions(database, { user_id: user.id })
  await updateUser(database, user.id, admin)
}
