import { account, authorization, forget } from '../shared/session.js'
import { inWords, parse } from './cache-status.js'

/** Where the service is mounted. */
const root = new URL('..', import.meta.url)

/** Answers that can be asked for again with their ETag, by path; the oldest goes first. */
const held = new Map()
const maxHeld = 50

/** Emits `exchange` for each request, and `refused` for one that needs another account. */
export const events = new EventTarget()

/** What the service has to say about a request that failed. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(
      problem?.errors?.map(({ field, message }) => `${field} ${message}`).join('; ') ||
        problem?.detail ||
        `status ${status}`,
    )
    this.status = status
  }
}

/**
 * Sends a request to `path`, relative to the service, and gives what came: value, ETag, status, time
 * in ms, sizes in bytes, and what the cache did. With `condition` it asks only whether what is held is
 * still right; `quiet` requests emit no event.
 * @throws Refusal for a status of 400 or more
 */
export async function ask(path, options = {}) {
  const { method = 'GET', body, headers, condition = false, quiet = false, signal } = options
  const known = condition ? held.get(path) : undefined
  const fields = {
    ...(await authorization()),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(known !== undefined && { 'if-none-match': known.etag }),
    ...headers,
  }
  const began = performance.now()
  const response = await fetch(new URL(path, root), {
    method,
    headers: fields,
    body: body === undefined ? null : JSON.stringify(body),
    // The page keeps what it shows, and so sees the 304 that the browser would hide.
    cache: 'no-store',
    signal: signal ?? AbortSignal.timeout(60_000),
  }).catch((error) => {
    if (error.name === 'AbortError') throw error
    throw new Error('the service does not answer')
  })
  const bytes = await response.arrayBuffer()
  const exchange = {
    path,
    method,
    ms: performance.now() - began,
    ...describe(response, method),
    decoded: bytes.byteLength,
  }
  const value = bodyOf(response, bytes, known)
  if (!quiet) events.dispatchEvent(new CustomEvent('exchange', { detail: exchange }))
  if (!response.ok && response.status !== 304) refuse(response.status, value, fields)
  if (method === 'GET' && exchange.etag !== null) hold(path, { etag: exchange.etag, value })
  return { ...exchange, value }
}

function describe({ status, headers }, method) {
  const cache = parse(headers.get('cache-status'))
  const age = Number(headers.get('age') ?? 0)
  const length = headers.get('content-length')
  return {
    status,
    cache,
    etag: headers.get('etag'),
    wire: length === null ? null : Number(length),
    coding: headers.get('content-encoding'),
    ...inWords({ status, method, cache, age }),
  }
}

function bodyOf({ status, headers }, bytes, known) {
  if (status === 304) return known.value
  if (!/\bjson\b/.test(headers.get('content-type') ?? '')) return undefined
  return JSON.parse(new TextDecoder().decode(bytes))
}

function refuse(status, problem, { authorization: used }) {
  if (status === 401) {
    // A request of before the sign-in may be refused after it, and is no reason to end the session.
    if (used !== undefined) forget(used)
    if (account() === undefined) events.dispatchEvent(new Event('refused'))
  }
  throw new Refusal(status, problem)
}

function hold(path, answer) {
  held.delete(path)
  held.set(path, answer)
  if (held.size > maxHeld) held.delete(held.keys().next().value)
}
