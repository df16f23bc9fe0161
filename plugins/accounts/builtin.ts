import type { Database } from '../../db/dialects/dialect.ts'
import { changePassword, replaceHash } from '../../db/passwords.ts'
import { endSessions } from '../../db/refresh-tokens.ts'
import {
  deleteUser,
  EmailTaken,
  findUser,
  insertUser,
  normalEmail,
  updateUser,
} from '../../db/users.ts'
import { BadField } from '../errors.ts'
import { passwordProblem } from './password-policy.ts'
import {
  AccountExists,
  type AccountProvider,
  NoIdTokens,
  WrongCredentials,
  WrongProof,
} from './provider.ts'
import { isResetToken, resetAccount } from './reset-token.ts'
import { hashPassword, isOutdated, verifyPassword } from './scrypt.ts'

/** Accounts whose passwords are kept here, as scrypt hashes in `users`; `key` signs what resets one. */
export function builtinAccounts(database: Database, key: string): AccountProvider {
  return {
    name: 'built-in',
    async signUp(given, password) {
      const email = normalEmail(given)
      if (await findUser(database.reader, { email })) throw new AccountExists()
      const password_hash = await hashPassword(password)
      try {
        return await insertUser(database, { email, role: 'user', password_hash })
      } catch (error) {
        throw error instanceof EmailTaken ? new AccountExists() : error
      }
    },
    async signIn(given, password) {
      const user = await findUser(database.reader, { email: normalEmail(given) })
      const hash = user?.password_hash
      if (!(await verifyPassword(password, hash))) throw new WrongCredentials()
      if (!isOutdated(hash!)) return { user: user!, at: new Date() }
      const password_hash = await hashPassword(password)
      if (await replaceHash(database, user!, password_hash)) {
        return { user: { ...user!, password_hash }, at: new Date() }
      }
      // Another sign-in has rehashed it, or the password was changed.
      return this.signIn(given, password)
    },
    async exchange() {
      throw new NoIdTokens()
    },
    isSessionValid: async ({ password_hash }) => password_hash !== null,
    async confirm({ password_hash }, proof) {
      if (!('password' in proof)) throw new NoIdTokens()
      if (!(await verifyPassword(proof.password, password_hash))) throw new WrongProof()
    },
    async changePassword(user, password) {
      const password_hash = await hashPassword(password)
      if (await changePassword(database, user, password_hash)) return { ...user, password_hash }
      throw new WrongProof()
    },
    async resetPassword(token, password) {
      const id = resetAccount(token)
      const user = id === undefined ? undefined : await findUser(database.reader, { id })
      const used = new BadField('token', 'is not good, or not any more')
      if (user === undefined || !isResetToken(key, user, token)) throw used
      const problem = passwordProblem(password, user.email)
      if (problem !== undefined) throw new BadField('password', problem)
      if (!(await changePassword(database, user, await hashPassword(password)))) throw used
    },
    remove: ({ id }) => deleteUser(database, id),
    setRole: (user, role) => updateUser(database, user.id, { role }),
    async makeAdmin(given, password) {
      const email = normalEmail(given)
      if ((await findUser(database.reader, { email }))?.role === 'admin') return
      const admin = { role: 'admin' as const, password_hash: await hashPassword(password) }
      const user = await insertUser(database, { email, ...admin }).catch((error) => {
        if (error instanceof EmailTaken) return findUser(database.writer, { email })
        throw error
      })
      if (user === undefined || user.role === 'admin') return
      await endSessions(database, { user_id: user.id })
      await updateUser(database, user.id, admin)
    },
    close: async () => {},
  }
}
