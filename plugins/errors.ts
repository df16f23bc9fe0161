import createError from '@fastify/error'

/*
 * The errors that the service throws for a client to see. Each has a status and a stable code, which leaves
 * in the problem document (problems.ts); docs/api.md lists the codes.
 */

/** A problem with one field of a request: where it is, what is wrong with it. */
export interface FieldProblem {
  field: string
  message: string
}

/** 404: there is no title with this id. */
export const NotFound = createError('TITLE_NOT_FOUND', '%s', 404)
export const NotAcceptable = createError<[string]>('NOT_ACCEPTABLE', '%s', 406)
export const Conflict = createError<[string]>('CONFLICT', '%s', 409)

const KeyInUseBase = createError('IDEMPOTENCY_KEY_IN_USE', '%s', 409)
const KeyReusedBase = createError('IDEMPOTENCY_KEY_REUSED', '%s', 422)

/** 409: a request with this Idempotency-Key is still running. */
export class KeyInUse extends KeyInUseBase {
  readonly headers = { 'retry-after': '1' }

  constructor() {
    super('a request with this Idempotency-Key is still running')
  }
}

/** 422: this Idempotency-Key came with another request before. */
export class KeyReused extends KeyReusedBase {
  constructor() {
    super('this Idempotency-Key was used for another request')
  }
}

const PreconditionFailedBase = createError<[string]>('PRECONDITION_FAILED', '%s', 412)

/** 412: the title has changed since it was read; `field` names the operation of a batch. */
export class PreconditionFailed extends PreconditionFailedBase {
  readonly problems: FieldProblem[] | undefined

  constructor(message: string, field?: string) {
    super(field === undefined ? message : `${field}: ${message}`)
    this.problems = field === undefined ? undefined : [{ field, message }]
  }
}

const UnsupportedBodyBase = createError<[string]>('UNSUPPORTED_MEDIA_TYPE', '%s', 415)

/** 415; `headers` say what is taken instead (RFC 9110, 15.5.16). */
export class UnsupportedBody extends UnsupportedBodyBase {
  readonly headers: Record<string, string>

  constructor(message: string, headers: Record<string, string>) {
    super(message)
    this.headers = headers
  }
}

const BadRequest = createError<[string]>('INVALID_REQUEST', '%s', 400)

/** 400 for a request that fits its schema and still makes no sense. */
export class BadField extends BadRequest {
  readonly problems: FieldProblem[]

  constructor(field: string, message: string) {
    super(`${field} ${message}`)
    this.problems = [{ field, message }]
  }
}

const UnauthorizedBase = createError<[string]>('UNAUTHORIZED', '%s', 401)
const ForbiddenBase = createError<[string]>('FORBIDDEN', '%s', 403)
const TooManyRequestsBase = createError<[string]>('TOO_MANY_REQUESTS', '%s', 429)
const UnavailableBase = createError<[string]>('UNAVAILABLE', '%s', 503)

const challenge = (code?: string) => ({
  'www-authenticate': `Bearer realm="anime-api"${code === undefined ? '' : `, error="${code}"`}`,
})

/** 401 with a challenge; `code` says what is wrong with the token that was sent (RFC 6750, 3). */
export class Unauthorized extends UnauthorizedBase {
  readonly headers: Record<string, string>

  constructor(message: string, code?: 'invalid_request' | 'invalid_token') {
    super(message)
    this.headers = challenge(code)
  }
}

/** 403: the token is good and its role is not enough. */
export class Forbidden extends ForbiddenBase {
  readonly headers = challenge('insufficient_scope')
}

/** 429 that says in how many seconds another try counts. */
export class TooManyRequests extends TooManyRequestsBase {
  readonly headers: Record<string, string>

  constructor(seconds: number) {
    super(`too many requests; try again in ${seconds} s`)
    this.headers = { 'retry-after': String(seconds) }
  }
}

/** 503: something this request needs will be back in some seconds. */
export class Unavailable extends UnavailableBase {
  readonly headers: Record<string, string>

  constructor(message: string, seconds: number, options?: ErrorOptions) {
    super(message)
    this.headers = { 'retry-after': String(seconds) }
    this.cause = options?.cause
  }
}
