import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Role, UserRow } from '../../db/users.ts'

/** Posts JSON to the service, from `address` if it trusts a proxy. */
export function post(
  app: FastifyInstance,
  url: string,
  payload: object,
  address?: string,
): Promise<LightMyRequestResponse> {
  const headers = address === undefined ? {} : { 'x-forwarded-for': address }
  return app.inject({ method: 'POST', url, payload, headers })
}

/** The header of a caller with this role, without the work of a sign-in. */
export function bearer(app: FastifyInstance, role: Role, id = 1): { authorization: string } {
  const user: UserRow = {
    id,
    email: `${role}@example.com`,
    role,
    password_hash: null,
    firebase_uid: null,
    created_at: '',
  }
  return { authorization: `Bearer ${app.accessToken(user)}` }
}
