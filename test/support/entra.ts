import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AccessToken, TokenCredential } from '@azure/identity'
import type { Redis } from 'ioredis'
import type { Teardown } from './app.ts'

/** Entra ID and Redis as Azure joins them: who holds a token that has not ended is a user of `servers`. */
export interface Entra {
  credential: TokenCredential
  /** The environment in which App Service offers its identity's tokens, here at a local address. */
  env: NodeJS.ProcessEnv
  /** How many tokens have been given. */
  issued: () => number
  /** Tokens are refused until `recover`. */
  fail: () => void
  recover: () => void
}

/**
 * Gives tokens for `resource` that live for `seconds`. Each is a user of its own, which the servers forget when it ends:
 * they close every connection that is still signed in with it, as Azure does.
 */
export async function startEntra(
  t: Teardown,
  servers: Redis[],
  seconds: number,
  resource = 'https://redis.azure.com',
): Promise<Entra> {
  const timers = new Set<NodeJS.Timeout>()
  let count = 0
  let failing = false

  async function issue(unit = 1): Promise<AccessToken> {
    if (failing) throw new Error('no tokens today')
    const oid = `identity-${++count}`
    const payload = Buffer.from(JSON.stringify({ oid })).toString('base64url')
    const token = `e30.${payload}.signature-${count}`
    for (const server of servers) {
      await server.call('ACL', 'SETUSER', oid, 'on', `>${token}`, '~*', '&*', '+@all')
    }
    const expiresOnTimestamp = Math.ceil((Date.now() + seconds * 1000) / unit) * unit
    const end = () => servers.map((server) => server.call('ACL', 'DELUSER', oid).catch(() => {}))
    timers.add(setTimeout(end, expiresOnTimestamp - Date.now()))
    return { token, expiresOnTimestamp }
  }

  const http = createServer(async (request, response) => {
    const asked = new URL(request.url ?? '', 'http://x').searchParams.get('resource')
    const known = request.headers['x-identity-header'] === 'of-this-test'
    if (failing || !known || asked !== resource) {
      return response.writeHead(400, { 'content-type': 'application/json' }).end('{}')
    }
    // The protocol counts in whole seconds.
    const { token, expiresOnTimestamp } = await issue(1000)
    const body = {
      access_token: token,
      expires_on: String(expiresOnTimestamp / 1000),
      resource: asked,
      token_type: 'Bearer',
    }
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    http.close()
    for (const timer of timers) clearTimeout(timer)
  })
  // Who has no token is nobody; the connections of the test itself stay open.
  for (const server of servers) await server.call('ACL', 'SETUSER', 'default', 'resetpass')
  const { port } = http.address() as AddressInfo
  return {
    credential: { getToken: () => issue() },
    env: {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/token`,
      IDENTITY_HEADER: 'of-this-test',
    },
    issued: () => count,
    fail: () => {
      failing = true
    },
    recover: () => {
      failing = false
    },
  }
}
