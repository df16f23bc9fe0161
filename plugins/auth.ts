import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { inSeconds } from '../config.ts'
import type { Role, UserRow } from '../db/users.ts'
import { problems } from '../schemas/problems.ts'
import { jwtSecret } from './accounts/secret.ts'
import { Forbidden, Unauthorized } from './errors.ts'

/** Who sends a request, as the access token says. */
interface Caller {
  id: number
  email: string
  role: Role
  tokenId: string
}

interface Claims {
  sub: string
  email: string
  role: Role
  jti: string
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: Caller
    namespaces: 'current' | 'previous'
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The `onRequest` hooks of the reading routes: what READ_ROLE asks for. */
    requireReader: onRequestHookHandler[]
    /** An `onRequest` hook that lets in callers of this role or a higher one. */
    requireRole: (role: Role) => onRequestHookHandler
    /** Makes an access token for `user`; it stands for JWT_TTL, whatever happens meanwhile. */
    accessToken: (user: UserRow) => string
  }
}

const service = 'anime-api'
const ranks: Record<Role, number> = { user: 1, admin: 2 }

/** Access tokens (RFC 7519): who made a request, and whether the role is enough. */
async function authPlugin(app: FastifyInstance) {
  const { config } = app
  const roleHooks = new WeakSet<object>()
  const verify = {
    algorithms: ['HS256' as const],
    allowedIss: service,
    allowedAud: service,
    requiredClaims: ['iss', 'aud', 'exp', 'sub', 'jti', 'role'],
  }
  await app.register(jwt, {
    namespace: 'current',
    secret: await jwtSecret(config),
    sign: { algorithm: 'HS256', iss: service, aud: service, expiresIn: inSeconds(config.JWT_TTL) },
    verify,
  })
  const { JWT_PREVIOUS_SECRET: previous } = config
  if (previous !== undefined) {
    await app.register(jwt, { namespace: 'previous', secret: previous, verify })
  }

  function claimsOf(token: string): Claims {
    try {
      return app.jwt.current.verify<Claims>(token)
    } catch (error) {
      const { code } = error as { code?: string }
      if (previous === undefined || code !== 'FAST_JWT_INVALID_SIGNATURE') throw error
      return app.jwt.previous.verify<Claims>(token)
    }
  }

  function authenticate(request: FastifyRequest): Caller {
    const token = bearerToken(request.headers.authorization)
    let claims: Claims
    try {
      claims = claimsOf(token)
    } catch (error) {
      const expired = (error as { code?: string }).code === 'FAST_JWT_EXPIRED'
      throw new Unauthorized(
        `the access token ${expired ? 'has expired' : 'is not valid'}`,
        invalid,
      )
    }
    const { sub, email, role, jti } = claims
    if (!Object.hasOwn(ranks, role))
      throw new Unauthorized('the access token is not valid', invalid)
    return { id: Number(sub), email, role, tokenId: jti }
  }

  function requireRole(role: Role): onRequestHookHandler {
    const hook: onRequestHookHandler = (request, _reply, done) => {
      try {
        request.user = authenticate(request)
      } catch (error) {
        return done(error as Error)
      }
      if (ranks[request.user.role] >= ranks[role]) return done()
      done(new Forbidden(`this takes the role ${role}; yours is ${request.user.role}`))
    }
    roleHooks.add(hook)
    return hook
  }

  app.decorate('requireRole', requireRole)
  app.decorate(
    'requireReader',
    config.READ_ROLE === 'public' ? [] : [requireRole(config.READ_ROLE)],
  )
  app.decorate('accessToken', ({ id, email, role }) =>
    app.jwt.current.sign({ sub: String(id), email, role, jti: randomUUID() }),
  )
  app.addHook('onRoute', (route) => {
    const hooks = [route.onRequest ?? []].flat()
    if (hooks.some((hook) => roleHooks.has(hook))) describeSecurity(route)
  })
}

const invalid = 'invalid_token'

/** @throws Unauthorized unless the field is `Bearer TOKEN` (RFC 6750, 2.1) */
function bearerToken(field: string | undefined): string {
  if (field === undefined) throw new Unauthorized('this takes an access token')
  const [, token] = /^Bearer +([\w\-.~+/]+=*)$/i.exec(field) ?? []
  if (token !== undefined) return token
  throw new Unauthorized(
    'the Authorization field wants "Bearer" and an access token',
    'invalid_request',
  )
}

/** Tells the OpenAPI document of what the route's role hook asks for. */
function describeSecurity(route: RouteOptions): void {
  const { schema } = route
  route.schema = {
    ...schema,
    security: [{ bearer: [] }],
    response: { ...problems(401, 403), ...(schema?.response as object) },
  }
}

export default fp(authPlugin, { name: 'auth', dependencies: ['config', 'problems'] })
