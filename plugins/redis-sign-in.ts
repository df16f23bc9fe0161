import type { AccessToken, TokenCredential } from '@azure/identity'
import { Cluster, type Redis } from 'ioredis'

/**
 * Redis by Entra ID: user name is the identity's object id, password a token. The server closes a
 * connection when the token it signed in with ends, so each connection signs in again before that
 * (learn.microsoft.com/azure/redis/entra-for-authentication).
 *
 * @redis/entraid does this for node-redis only: it brings that client along and hands its tokens to it,
 * and ioredis has no place to take them from. @azure/identity gets and caches the tokens here as there.
 */
const scope = 'https://redis.azure.com/.default'

/** Milliseconds before a token's end at which the next is fetched; Microsoft asks for three minutes or more. */
const margin = 300_000

/** Milliseconds until another attempt after a failure, and at least between two renewals. */
const retryDelay = 1000
const minDelay = 100

export interface SignInOptions {
  credential: () => Promise<TokenCredential>
  /** The identity's object id; by default it is read from the token. */
  user: string | undefined
  /** Called for each token that could not be had, and each sign-in that was refused. */
  onError: (error: Error) => void
}

/** Keeps every connection of `client` signed in. Commands before, during and after a renewal are not disturbed. */
export function createSignIn(client: Redis | Cluster, options: SignInOptions) {
  const { user, onError } = options
  const stopped = new AbortController()
  let credential: TokenCredential | undefined
  let login: [user: string, token: string] | undefined
  let timer: NodeJS.Timeout | undefined

  /** One AUTH between the commands of an open connection; others sign in by their options when they open. */
  async function signIn(node: Redis): Promise<void> {
    if (login === undefined) return
    const [username, password] = login
    Object.assign(node.options, { username, password })
    if (node.status === 'ready') await node.auth(username, password)
  }

  function watch(node: Redis): void {
    signIn(node).catch(onError)
    // It may have opened with the token before this one.
    node.on('ready', () => signIn(node).catch(onError))
  }

  /** Milliseconds until the next renewal. */
  async function renew(): Promise<number> {
    try {
      credential ??= await options.credential()
      const token = await credential.getToken(scope, { abortSignal: stopped.signal })
      const left = (token?.expiresOnTimestamp ?? 0) - Date.now()
      if (token === null || left <= 0) throw new Error('got a token that has ended')
      login = [user ?? objectIdOf(token.token), token.token]
      const nodes = client instanceof Cluster ? client.nodes() : [client]
      await Promise.all(nodes.map(signIn))
      return delayOf(token, left)
    } catch (error) {
      if (!stopped.signal.aborted) onError(error as Error)
      return retryDelay
    }
  }

  async function run(connect: () => void): Promise<void> {
    const unsigned = login === undefined
    const delay = await renew()
    if (stopped.signal.aborted) return
    if (unsigned && login !== undefined) connect()
    timer = setTimeout(() => void run(connect), delay).unref()
  }

  return {
    /** Gets the first token, calls `connect` once it is there, and renews it from then on. */
    start: (connect: () => void) => {
      if (client instanceof Cluster) client.on('+node', watch)
      else watch(client)
      void run(connect)
    },
    stop: () => {
      stopped.abort()
      clearTimeout(timer)
    },
  }
}

/**
 * When the credential says so (half-time of a long token), else `margin` before the end. A credential
 * that still gives the old token is asked again and again, in half of what is left. The margin differs
 * a little between instances, so that they do not all sign in at the same moment.
 */
function delayOf({ refreshAfterTimestamp }: AccessToken, left: number): number {
  const advised = (refreshAfterTimestamp ?? 0) - Date.now()
  if (advised > 0) return Math.min(advised, left / 2)
  const own = margin * (1 - 0.2 * Math.random())
  return Math.max(minDelay, left - Math.min(own, left / 2))
}

/**
 * The object id in an Entra token (claim `oid`).
 * @throws Error if the token has none
 */
function objectIdOf(token: string): string {
  try {
    const { oid } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (typeof oid === 'string') return oid
  } catch {
    // Not a JSON Web Token: the same answer.
  }
  throw new Error('got a token without an object id: name it in REDIS_URL, rediss://OBJECT_ID@HOST')
}
