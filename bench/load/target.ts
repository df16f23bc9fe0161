import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../test/support/until.ts'
import { startService } from '../processes.ts'

/** The service to load, with the credentials to use there. */
export interface Target {
  url: string
  /** `authorization` headers; undefined without an admin. */
  admin: Record<string, string> | undefined
  user: Record<string, string> | undefined
  close: () => Promise<void>
}

export interface TargetOptions {
  url?: string
  admin?: string
  password?: string
}

/**
 * The service at `url`, or without it a new process on a database of 20,238 titles in a temporary folder.
 * @throws Error when the service does not answer, or refuses the admin
 */
export async function findTarget({ url, admin, password }: TargetOptions): Promise<Target> {
  if (url === undefined) return startOwnService()
  const base = url.replace(/\/$/, '')
  await fetchFrom(`${base}/health/live`, { signal: AbortSignal.timeout(10_000) })
  if (admin === undefined || password === undefined) {
    return { url: base, admin: undefined, user: undefined, close: async () => {} }
  }
  return { url: base, ...(await signInBoth(base, admin, password)), close: async () => {} }
}

async function startOwnService(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'anime-load-'))
  const [email, password] = ['load-admin@example.com', randomBytes(12).toString('base64url')]
  const service = await startService(folder, {
    ADMIN_EMAIL: email,
    ADMIN_PASSWORD: password,
    LOG_LEVEL: 'warn',
    RATE_LIMIT_MAX: '1000000000',
    REDIS_URL: process.env.REDIS_URL ?? '',
  })
  const close = async () => {
    await service.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    // The service listens before the admin is created.
    const ready = () => signIn(service.base, email, password).catch(() => undefined)
    await until('the admin can sign in', ready)
    return { url: service.base, ...(await signInBoth(service.base, email, password)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function signInBoth(base: string, email: string, password: string) {
  const visitor = `load-${randomBytes(6).toString('hex')}@example.com`
  const visitorPassword = randomBytes(12).toString('base64url')
  const admin = await signIn(base, email, password)
  await post(`${base}/v1/signup`, { email: visitor, password: visitorPassword })
  return { admin, user: await signIn(base, visitor, visitorPassword) }
}

async function signIn(base: string, email: string, password: string) {
  const { accessToken } = await post(`${base}/v1/signin`, { email, password })
  return { authorization: `Bearer ${accessToken}` }
}

async function post(url: string, body: object): Promise<{ accessToken: string }> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetchFrom(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const json = (await answer.json().catch(() => ({}))) as { accessToken: string; detail?: string }
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${json.detail ?? answer.statusText}`)
  return json
}

/**
 * Fetch with a better message for failed connections.
 * @throws Error in one line, with the URL
 */
export async function fetchFrom(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, init).catch((error) => {
    throw new Error(`${url} does not answer: ${error.cause?.message ?? error.message}`)
  })
}
