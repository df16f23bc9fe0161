import { randomUUID } from 'node:crypto'
import type { FirebaseError } from 'firebase-admin/app'
import type { UserRecord } from 'firebase-admin/auth'
import type { Config } from '../../config.ts'
import type { Role } from '../../db/users.ts'
import { Unavailable } from '../errors.ts'
import { type FirebaseSignIn, signInWithPassword } from './identity-toolkit.ts'
import { providerAway } from './provider.ts'

/** What Firebase says of a user. */
export interface FirebaseUser {
  uid: string
  disabled: boolean
  /** Sessions begun before are revoked. */
  validSince: Date
}

export type FirebaseUsers = Awaited<ReturnType<typeof openFirebase>>

/** Milliseconds after which Firebase counts as away. */
const timeLimit = 5000

/** Answers of Firebase about the user or token asked for; any other failure means that it is away. */
const answers = [
  'auth/email-already-exists',
  'auth/user-not-found',
  'auth/user-disabled',
  'auth/invalid-email',
  'auth/id-token-expired',
  'auth/id-token-revoked',
  'auth/invalid-id-token',
  'auth/argument-error',
]

/** Whether this is Firebase's own answer with that code. */
export const hasCode = (error: unknown, code: string) =>
  (error as { code?: string }).code === `auth/${code}`

/**
 * Firebase Authentication, as far as accounts need it. The SDK is loaded here and nowhere else. Every
 * call takes five seconds at most.
 * @throws (each call) Unavailable when Firebase is away; its own error when it says no
 */
export async function openFirebase(config: Config) {
  const { cert, deleteApp, initializeApp } = await import('firebase-admin/app')
  const { getAuth } = await import('firebase-admin/auth')
  setForSdk('FIREBASE_AUTH_EMULATOR_HOST', config.FIREBASE_AUTH_EMULATOR_HOST)
  const { GOOGLE_APPLICATION_CREDENTIALS: account, FIREBASE_PROJECT_ID: projectId } = config
  // App Service has no file to point at, so the account's JSON may stand in the variable itself.
  const credential = account?.startsWith('{') ? cert(JSON.parse(account)) : undefined
  if (credential === undefined) setForSdk('GOOGLE_APPLICATION_CREDENTIALS', account)
  const app = initializeApp(
    { projectId: projectId!, ...(credential && { credential }) },
    randomUUID(),
  )
  const auth = getAuth(app)

  const find = (uid: string) => orNone(ask(auth.getUser(uid)))
  /** Keeps a copy of the role in the user's custom claims, beside claims of others. */
  async function mirrorRole(uid: string, role: Role): Promise<void> {
    const { customClaims } = await ask(auth.getUser(uid))
    if (customClaims?.role === role) return
    await ask(auth.setCustomUserClaims(uid, { ...customClaims, role }))
  }
  return {
    mirrorRole,
    create: (user: { uid: string; email: string; password: string }) => ask(auth.createUser(user)),
    /** Removes a user, if there is one. */
    remove: (uid: string) => orNone(ask(auth.deleteUser(uid))),
    async find(uid: string): Promise<FirebaseUser | undefined> {
      const user = await find(uid)
      return user && { uid, disabled: user.disabled, validSince: validSince(user) }
    },
    /** The uid of the user with this e-mail, made or given this password. */
    async createOrSetPassword(email: string, password: string): Promise<string> {
      try {
        return (await ask(auth.createUser({ email, password }))).uid
      } catch (error) {
        if (!hasCode(error, 'email-already-exists')) throw error
        const { uid } = await ask(auth.getUserByEmail(email))
        await ask(auth.updateUser(uid, { password }))
        return uid
      }
    },
    setPassword: async (uid: string, password: string): Promise<void> => {
      await ask(auth.updateUser(uid, { password }))
    },
    /** Checked for revocation; undefined for one that is not valid. */
    async verifyIdToken(idToken: string): Promise<FirebaseSignIn | undefined> {
      try {
        const { uid, email, auth_time } = await ask(auth.verifyIdToken(idToken, true))
        return { uid, email, at: new Date(auth_time * 1000) }
      } catch (error) {
        if (error instanceof Unavailable) throw error
        return undefined
      }
    },
    signInWithPassword: (email: string, password: string) =>
      signInWithPassword(config, timeLimit, email, password),
    close: () => deleteApp(app),
  }
}

const validSince = ({ tokensValidAfterTime }: UserRecord) => new Date(tokensValidAfterTime ?? 0)

/** The SDK reads these from the environment only; the settings, which may come from `.env`, decide. */
function setForSdk(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

/** Waits for an answer of Firebase, not for ever, and keeps requests and bodies out of the log. */
async function ask<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(providerAway('no answer in time')), timeLimit)
  })
  try {
    return await Promise.race([call, limit])
  } catch (error) {
    if (error instanceof Unavailable) throw error
    const { code, message } = error as FirebaseError
    // That Google's keys could not be fetched has the code of a token that is wrong.
    const said = answers.includes(code) && !message.includes('making request')
    throw said ? error : providerAway(`${code}: ${message}`)
  } finally {
    clearTimeout(timer)
  }
}

async function orNone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (hasCode(error, 'user-not-found')) return undefined
    throw error
  }
}
