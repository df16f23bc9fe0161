import { createHmac, timingSafeEqual } from 'node:crypto'
import type { UserRow } from '../../db/users.ts'

/** Seconds for which a token of a reset is good. */
export const resetLifetime = 3600

/**
 * A token whose holder may set the account's password, once and within an hour. It is
 * kept nowhere: it is a code over the account, the time and the present hash, so a change of the
 * password by any way makes it worthless.
 */
export function resetToken(key: string, user: UserRow, now = Date.now()): string {
  const expires = Math.floor(now / 1000) + resetLifetime
  return `${user.id}.${expires}.${codeOf(key, user, expires)}`
}

/** The account's id in a token, not yet checked; undefined for what is none, or has expired. */
export function resetAccount(token: string): number | undefined {
  const [, id, expires] = /^(\d{1,10})\.(\d{1,12})\.[\w-]{43}$/.exec(token) ?? []
  return expires !== undefined && Number(expires) > Date.now() / 1000 ? Number(id) : undefined
}

/** Whether a token is good for this account as it is now. */
export function isResetToken(key: string, user: UserRow, token: string): boolean {
  const [, expires = '', code = ''] = token.split('.')
  const wanted = Buffer.from(codeOf(key, user, Number(expires)))
  const given = Buffer.from(code)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

const codeOf = (key: string, { id, password_hash }: UserRow, expires: number) =>
  createHmac('sha256', key)
    .update(`password reset ${id} ${expires} ${password_hash ?? ''}`)
    .digest('base64url')
