import { type TSchema, Type } from 'typebox'

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'stable, for programs' }),
    detail: Type.String(),
    instance: Type.String(),
    traceId: Type.Optional(
      Type.String({ description: 'finds the request in the log and in traces' }),
    ),
    errors: Type.Optional(
      Type.Array(Type.Object({ field: Type.String(), message: Type.String() })),
    ),
  },
  {
    $id: 'Problem',
    title: 'Problem',
    description: 'RFC 9457',
    examples: [
      {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'INVALID_REQUEST',
        detail: 'querystring/year must be integer',
        instance: '/v1/animes?year=last',
        errors: [{ field: 'year', message: 'must be integer' }],
      },
    ],
  },
)

/**
 * A route's answers for the OpenAPI document: its own, and the problems it may end in, by status. Bodies
 * are made by hand and sent as text, so the types of these schemas bind no handler.
 */
export const answers = (ok: TSchema, ...statuses: number[]): Record<number, unknown> => ({
  200: ok,
  ...problems(...statuses),
})

export const problems = (...statuses: number[]): Record<number, unknown> =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: problemOf[status],
        content: { 'application/problem+json': { schema: Type.Ref('Problem#') } },
      },
    ]),
  )

const problemOf: Record<number, string> = {
  400: 'The request does not fit the schema; `errors` says where',
  401: 'No valid access token',
  403: 'The role does not allow this',
  404: 'There is no such thing',
  406: 'No format that is offered is accepted; `detail` names those that are',
  409: 'It exists already, or is being made',
  412: 'It has changed since',
  413: 'The body is too large',
  422: 'The `Idempotency-Key` was used for another request',
  429: 'Too many requests',
  503: 'The database is away; `Retry-After` says when to come back',
}
