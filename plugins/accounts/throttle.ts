import { hash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isKnownAddress } from '../../db/refresh-tokens.ts'
import { normalEmail } from '../../db/users.ts'
import { TooManyRequests } from '../errors.ts'
import { addressOf } from '../rate-limit.ts'
import { addressHash } from './sessions.ts'

const minute = 60_000

/**
 * Tries that count, in a window of milliseconds: of one address with whatever account; of one address
 * with one account; with one account from all the addresses that it has not signed in from.
 */
const signInLimits = {
  address: { max: 60, timeWindow: minute },
  accountFromAddress: { max: 10, timeWindow: 5 * minute },
  account: { max: 50, timeWindow: 15 * minute },
}

export type SignInThrottle = ReturnType<typeof createSignInThrottle>

/**
 * Slows guessing without locking an owner out. Guesses from one address are stopped by that address'
 * own counts. Guesses from many addresses are stopped by the account's count,
 * which does not apply to an address that the owner has signed in from. Accounts that do not exist
 * count the same.
 */
export function createSignInThrottle(app: FastifyInstance, key: string) {
  const limit = (name: string, keyOf: (request: FastifyRequest) => string) =>
    app.createRateLimit({
      ...signInLimits[name as keyof typeof signInLimits],
      allowList: [],
      keyGenerator: (request) => `${name}:${hash('sha256', keyOf(request), 'base64url')}`,
    })
  const address = limit('address', addressOf)
  const accountFromAddress = limit(
    'accountFromAddress',
    (request) => `${emailOf(request)} ${addressOf(request)}`,
  )
  const account = limit('account', emailOf)

  return {
    /** @throws TooManyRequests */
    async byAddress(request: FastifyRequest): Promise<void> {
      refuse(await exceeded(address, request))
    },
    /**
     * For requests that name an e-mail, or that have a caller.
     * @throws TooManyRequests
     */
    async byAccount(request: FastifyRequest): Promise<void> {
      refuse(await exceeded(accountFromAddress, request))
      const wait = await exceeded(account, request)
      if (wait === undefined) return
      const from = addressHash(key, addressOf(request))
      if (!(await isKnownAddress(app.database, emailOf(request), from))) refuse(wait)
    },
  }
}

/** The account that a request is about: the one it names, or the caller's own. */
const emailOf = ({ body, user }: FastifyRequest) =>
  normalEmail((body as { email?: string }).email ?? user.email)

/** Seconds to wait when this request is one too many; it counts in any case. */
async function exceeded(
  limit: ReturnType<FastifyInstance['createRateLimit']>,
  request: FastifyRequest,
): Promise<number | undefined> {
  const state = await limit(request)
  return state.isAllowed || !state.isExceeded ? undefined : state.ttlInSeconds
}

function refuse(seconds: number | undefined): void {
  if (seconds !== undefined) throw new TooManyRequests(Math.max(1, seconds))
}
