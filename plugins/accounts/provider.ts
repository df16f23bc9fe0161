import createError from '@fastify/error'
import type { Role, UserRow } from '../../db/users.ts'
import { BadField, Conflict, Unauthorized, Unavailable } from '../errors.ts'

/** Where a provider reports what it could not repair. */
export interface ErrorLog {
  error: (fields: object, message: string) => void
}

export interface SignedIn {
  user: UserRow
  /** When, by the provider's clock. */
  at: Date
}

/** What shows that a caller is the account's owner, and not only has its access token. */
export type Proof = { password: string } | { idToken: string }

/** Who knows the passwords. Every account has a row in `users`, and that row's role is the truth. */
export interface AccountProvider {
  readonly name: 'built-in' | 'firebase'
  /**
   * Makes an account, wholly or not at all.
   * @throws AccountExists; Unavailable when the provider is away
   */
  readonly signUp: (email: string, password: string) => Promise<UserRow>
  /**
   * The account with this e-mail and password.
   * @throws WrongCredentials for whatever does not fit; Unavailable when the provider is away
   */
  readonly signIn: (email: string, password: string) => Promise<SignedIn>
  /**
   * The account of an ID token that the provider itself gave out.
   * @throws Unauthorized, NoIdTokens, Unavailable
   */
  readonly exchange: (idToken: string) => Promise<SignedIn>
  /** Whether a session begun then may go on, as far as the provider knows. */
  readonly isSessionValid: (user: UserRow, signedInAt: Date) => Promise<boolean>
  /**
   * Checks that `proof` is the account's own.
   * @throws WrongProof when it is not; NoIdTokens, Unavailable
   */
  readonly confirm: (user: UserRow, proof: Proof) => Promise<void>
  /**
   * Gives a confirmed account another password and ends its sessions; gives the account as it then is.
   * @throws WrongProof when it has changed since; Unavailable
   */
  readonly changePassword: (user: UserRow, password: string) => Promise<UserRow>
  /**
   * Sets the password by the one-time token of `npm run user -- reset` and ends the sessions.
   * @throws BadField for a token that is not good (any more); NoResets when the provider has its own way
   */
  readonly resetPassword: (token: string, password: string) => Promise<void>
  /**
   * Removes the account and its sessions.
   * @throws Unavailable when the provider is away, and nothing is removed
   */
  readonly remove: (user: UserRow) => Promise<void>
  /** Changes the role here and where the provider keeps a copy of it, or nowhere. */
  readonly setRole: (user: UserRow, role: Role) => Promise<void>
  /**
   * Makes the account an admin, and the account itself where there is none. One that is no admin yet
   * gets this password too and its sessions end: whoever signed up under the address before its owner
   * did must not become the admin. Several processes may do this at once, or again.
   */
  readonly makeAdmin: (email: string, password: string) => Promise<void>
  readonly close: () => Promise<void>
}

/** 401 for an unknown e-mail and a wrong password alike. */
export class WrongCredentials extends Unauthorized {
  constructor() {
    super('e-mail and password do not belong together')
  }
}

/** 400 and not 401: the access token is good, and a client need not sign in again. */
export class WrongProof extends BadField {
  constructor(field: 'password' | 'idToken' = 'password') {
    super(field, 'does not belong to this account')
  }
}

export class AccountExists extends Conflict {
  constructor() {
    super('an account with this e-mail exists already')
  }
}

const NotHere = createError<[string]>('NO_ID_TOKENS', '%s', 404)

export class NoIdTokens extends NotHere {
  constructor() {
    super('Firebase is not configured here; sign in at /v1/signin')
  }
}

const NoResetsBase = createError('NO_PASSWORD_RESETS', '%s', 404)

export class NoResets extends NoResetsBase {
  constructor() {
    super('Firebase keeps the passwords here; reset it there')
  }
}

const secondsUntilRetry = 5

/** 503: the provider gave no answer; `reason` is for the log. */
export const providerAway = (reason: string) =>
  new Unavailable('the account service is not available now', secondsUntilRetry, {
    cause: new Error(reason),
  })
