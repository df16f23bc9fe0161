import { randomBytes, timingSafeEqual } from 'node:crypto'
import { deriveKey } from './scrypt-threads.ts'

/** 16 MiB and five passes, one of the settings of the OWASP password storage cheat sheet. */
const cost = { ln: 14, r: 8, p: 5 }
const saltBytes = 16
const hashBytes = 32

const derive = (password: string, salt: Buffer, length: number, parameters: typeof cost) =>
  deriveKey({ password: password.normalize('NFKC'), salt, length, ...parameters })

/**
 * Hashes a password with scrypt (RFC 7914), off the event loop, into a PHC string:
 * `$scrypt$ln=14,r=8,p=5$SALT$HASH`.
 * @throws Unavailable when too many wait already
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const key = await derive(password, salt, hashBytes, cost)
  const { ln, r, p } = cost
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`
}

/**
 * Whether `password` is the one that `hash` was made of, with the cost that the hash names. Without a
 * hash (no such account) the same work is done for nothing, so that the time does not show which accounts exist.
 * @throws Unavailable when too many wait already
 */
export async function verifyPassword(password: string, hash: string | null | undefined) {
  const { parameters, salt, key } = parse(hash ?? absent)
  const derived = await derive(password, salt, key.length, parameters)
  return timingSafeEqual(derived, key) && hash != null
}

/** Whether a hash was made at another cost than today's. */
export const isOutdated = (hash: string): boolean => {
  const { parameters } = parse(hash)
  return parameters.ln !== cost.ln || parameters.r !== cost.r || parameters.p !== cost.p
}

const format = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

function parse(hash: string) {
  const match = format.exec(hash)
  if (match === null) throw new Error('users.password_hash is not a scrypt PHC string')
  const [ln, r, p] = match.slice(1, 4).map(Number) as [number, number, number]
  const [salt, key] = match.slice(4).map((part) => Buffer.from(part, 'base64')) as [Buffer, Buffer]
  return { parameters: { ln, r, p }, salt, key }
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')

const { ln, r, p } = cost
const absent = `$scrypt$ln=${ln},r=${r},p=${p}$${base64(randomBytes(saltBytes))}$${base64(randomBytes(hashBytes))}`
