import type { Database } from '../../db/dialects/dialect.ts'
import { endSessions } from '../../db/refresh-tokens.ts'
import {
  EmailTaken,
  findUser,
  insertUser,
  normalEmail,
  replaceHash,
  updateUser,
} from '../../db/users.ts'
import { AccountExists, type AccountProvider, NoIdTokens, WrongCredentials } from './provider.ts'
import { hashPassword, isOutdated, verifyPassword } from './scrypt.ts'

/** Accounts whose passwords are kept here, as scrypt hashes in `users`. */
export function builtinAccounts(database: Database): AccountProvider {
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
      // Another sign-in has made it anew, or the password was changed.
      return this.signIn(given, password)
    },
    async exchange() {
      throw new NoIdTokens()
    },
    isSessionValid: async ({ password_hash }) => password_hash !== null,
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
