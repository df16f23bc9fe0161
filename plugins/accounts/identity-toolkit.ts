import type { Config } from '../../config.ts'
import { TooManyRequests } from '../errors.ts'
import { providerAway } from './provider.ts'

/** A sign-in that Firebase vouches for. */
export interface FirebaseSignIn {
  uid: string
  email: string | undefined
  at: Date
}

/** What Identity Toolkit answers to a sign-in that it does not allow. */
const refused = [
  'EMAIL_NOT_FOUND',
  'INVALID_PASSWORD',
  'INVALID_LOGIN_CREDENTIALS',
  'INVALID_EMAIL',
  'MISSING_PASSWORD',
  'USER_DISABLED',
]
const secondsToCoolDown = 60

interface Answer {
  localId?: string
  email?: string
  idToken?: string
  error?: { message?: string }
}

/**
 * Checks a password with Identity Toolkit's REST API (`accounts:signInWithPassword`), the only one
 * that can: the Admin SDK has no password sign-in. Undefined when it does not fit, or when the account
 * wants a second factor, which only a Firebase client can ask for.
 * @throws TooManyRequests when Firebase itself throttles; Unavailable when it is away
 */
export async function signInWithPassword(
  config: Config,
  timeLimit: number,
  email: string,
  password: string,
): Promise<FirebaseSignIn | undefined> {
  const { FIREBASE_AUTH_EMULATOR_HOST: emulator, FIREBASE_API_KEY: key = 'emulator' } = config
  const host = 'identitytoolkit.googleapis.com'
  const base = emulator === undefined ? `https://${host}` : `http://${emulator}/${host}`
  let status: number
  let answer: Answer
  try {
    const response = await fetch(`${base}/v1/accounts:signInWithPassword?key=${key}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password, returnSecureToken: true }),
      signal: AbortSignal.timeout(timeLimit),
    })
    status = response.status
    answer = (await response.json()) as Answer
  } catch (error) {
    const { message, cause } = error as Error
    throw providerAway(`${message} ${(cause as Error | undefined)?.message ?? ''}`)
  }
  if (answer.localId !== undefined && answer.idToken !== undefined) {
    return { uid: answer.localId, email: answer.email, at: authTime(answer.idToken) }
  }
  // The code comes first, a text may follow: `TOO_MANY_ATTEMPTS_TRY_LATER : Access to this account...`
  const [code = ''] = (answer.error?.message ?? '').split(' ', 1)
  if (code === 'TOO_MANY_ATTEMPTS_TRY_LATER') throw new TooManyRequests(secondsToCoolDown)
  if (status === 200 || refused.includes(code)) return undefined
  throw providerAway(`Identity Toolkit answered ${status} ${answer.error?.message ?? ''}`)
}

/** When Firebase says the sign-in was; the token comes from Firebase itself and needs no check. */
function authTime(idToken: string): Date {
  const [, payload = ''] = idToken.split('.')
  const { auth_time } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return new Date(auth_time * 1000)
}
