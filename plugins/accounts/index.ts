import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigError, inSeconds } from '../../config.ts'
import { addressOf } from '../rate-limit.ts'
import { openAccounts } from './open.ts'
import { passwordProblem } from './password-policy.ts'
import type { AccountProvider } from './provider.ts'
import { jwtSecret } from './secret.ts'
import { addressHash, createSessions, type Sessions } from './sessions.ts'
import { createSignInThrottle, type SignInThrottle } from './throttle.ts'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: AccountProvider
    sessions: Sessions
    signInThrottle: SignInThrottle
    /** The keyed hash of a request's address, as sessions keep it. */
    addressHash: (request: FastifyRequest) => string
    /** Settles when the admin of ADMIN_EMAIL is there, or the service closes. */
    firstAdmin: Promise<void>
  }
}

/** Milliseconds before another try to make the first admin, doubled each time. */
const retry = { first: 500, longest: 60_000 }

/** Accounts by the configured provider, their sessions, and the first admin. */
async function accountsPlugin(app: FastifyInstance) {
  const { config, database, log } = app
  const key = await jwtSecret(config)
  const accounts = await openAccounts(config, database, log)
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = config
  const problem = email && password && passwordProblem(password, email)
  if (problem) throw new ConfigError(`ADMIN_PASSWORD: ${problem}`)

  app.decorate('accounts', accounts)
  app.decorate('addressHash', (request) => addressHash(key, addressOf(request)))
  app.decorate('signInThrottle', createSignInThrottle(app, key))
  app.decorate(
    'sessions',
    createSessions({
      database,
      accounts,
      log,
      accessToken: app.accessToken,
      accessTtl: inSeconds(config.JWT_TTL),
      refreshTtl: inSeconds(config.REFRESH_TTL),
      refreshGrace: inSeconds(config.REFRESH_GRACE),
    }),
  )
  app.decorate('firstAdmin', Promise.resolve())

  const closing = new AbortController()
  app.addHook('onReady', async () => {
    if (email && password) app.firstAdmin = makeFirstAdmin(email, password)
  })
  app.addHook('onClose', async () => {
    closing.abort()
    await app.firstAdmin
    await accounts.close()
  })

  async function makeFirstAdmin(email: string, password: string): Promise<void> {
    for (
      let wait = retry.first;
      !closing.signal.aborted;
      wait = Math.min(2 * wait, retry.longest)
    ) {
      try {
        await app.databaseState.connected
        await accounts.makeAdmin(email, password)
        return log.info('the first admin is there')
      } catch (error) {
        log.warn({ err: error }, 'the first admin could not be made yet')
        await sleep(wait, undefined, { signal: closing.signal, ref: false }).catch(() => {})
      }
    }
  }
}

export default fp(accountsPlugin, {
  name: 'accounts',
  dependencies: ['config', 'database', 'auth', 'rate-limit'],
})
