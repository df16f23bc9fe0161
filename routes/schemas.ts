import { type Static, type TSchema, Type } from 'typebox'
import { animeTypes, limits } from '../db/import/mapping.ts'
import { sortable } from '../db/keyset.ts'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** What no text may have: U+0000, and half a surrogate pair, which is no character. */
const bad = '\\0\\ud800-\\udfff'
const text = `[^${bad}]`

const title = Type.String({
  minLength: 1,
  maxLength: limits.title,
  pattern: `^${text}*[^\\s${bad}]${text}*$`,
})
const type = Type.Enum([...animeTypes], { type: 'string' })
const year = Type.Integer({ minimum: limits.year[0], maximum: limits.year[1] })
const score = Type.Number({ minimum: limits.score[0], maximum: limits.score[1], multipleOf: 0.01 })
const episodes = Type.Integer({ minimum: limits.episodes[0], maximum: limits.episodes[1] })
// SQL Server's = takes no notice of blanks at the end, and so would take two names for one that the
// cache's tags tell apart.
const genre = Type.String({
  minLength: 1,
  maxLength: limits.genre,
  pattern: `^[^\\s${bad}](?:${text}*[^\\s${bad}])?$`,
})
const genres = Type.Array(genre, { maxItems: limits.genres, uniqueItems: true })

const id = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

const example = {
  id: 1,
  title: 'Cowboy Bebop',
  type: 'TV',
  year: 1998,
  score: 8.75,
  episodes: 26,
  genres: ['Action', 'Sci-Fi'],
}

export const Anime = Type.Object(
  {
    id,
    title,
    type,
    year: nullable(year),
    score: nullable(score),
    episodes: nullable(episodes),
    genres,
  },
  {
    $id: 'Anime',
    examples: [example],
  },
)

export const NewAnime = Type.Object(
  {
    title,
    type: Type.Optional(type),
    year: Type.Optional(nullable(year)),
    score: Type.Optional(nullable(score)),
    episodes: Type.Optional(nullable(episodes)),
    genres: Type.Optional(genres),
  },
  {
    additionalProperties: false,
    examples: [{ title: 'Frieren', type: 'TV', year: 2023, score: 9.3, episodes: 28, genres: [] }],
  },
)

export const AnimeChanges = Type.Object(Type.Partial(Type.Object(NewAnime.properties)).properties, {
  additionalProperties: false,
  minProperties: 1,
  examples: [{ score: 8.8 }],
})

const ifMatch = Type.Optional(
  Type.String({ maxLength: 1000, description: 'as the `If-Match` field: only as it was seen' }),
)
const strict = { additionalProperties: false }

export const BatchOperation = Type.Union([
  Type.Object({ op: Type.Literal('add'), value: NewAnime }, strict),
  Type.Object({ op: Type.Literal('change'), id, ifMatch, value: AnimeChanges }, strict),
  Type.Object({ op: Type.Literal('remove'), id, ifMatch }, strict),
])

export const Batch = Type.Object(
  {
    operations: Type.Unsafe<Static<typeof BatchOperation>[]>({
      type: 'array',
      minItems: 1,
      maxItems: 1000,
      items: {
        type: 'object',
        required: ['op'],
        discriminator: { propertyName: 'op' },
        oneOf: BatchOperation.anyOf,
      },
    }),
  },
  {
    additionalProperties: false,
    examples: [
      {
        operations: [
          { op: 'add', value: { title: 'Frieren', type: 'TV', year: 2023 } },
          { op: 'change', id: 7, value: { score: 8.8 } },
          { op: 'remove', id: 9 },
        ],
      },
    ],
  },
)

export const BatchResults = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        status: Type.Enum([200, 201, 204], { description: 'changed, added, removed' }),
        value: Type.Optional(Anime),
      }),
    ),
  },
  {
    description: 'One result for each operation, in their order',
    examples: [{ results: [{ status: 201, value: example }, { status: 204 }] }],
  },
)

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'A text that this request alone has, such as a UUID. A repetition gets the same answer for 24 hours.',
      examples: ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    }),
  ),
})

export const AnimeId = Type.Object({ id }, { additionalProperties: false })

export const ListParameters = Type.Object(
  {
    type: Type.Optional(
      Type.Enum([...animeTypes], { type: 'string', description: 'only this type' }),
    ),
    genre: Type.Optional(
      Type.Array(genre, {
        maxItems: 8,
        minItems: 1,
        description: 'only titles with this genre; given several times: with all of them',
      }),
    ),
    year: Type.Optional({ ...year, description: 'only this year' }),
    minYear: Type.Optional({ ...year, description: 'this year or later' }),
    maxYear: Type.Optional({ ...year, description: 'this year or earlier' }),
    minScore: Type.Optional(Type.Number({ minimum: 0, maximum: 10, description: 'at least' })),
    maxScore: Type.Optional(Type.Number({ minimum: 0, maximum: 10, description: 'at most' })),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: `^${text}+$`,
        description: 'the title contains this',
      }),
    ),
    sort: Type.Optional(
      Type.String({
        maxLength: 100,
        description: `columns, each once, \`-\` for descending, such as \`-score,title\`: ${sortable.join(', ')}. Unknown values come last.`,
      }),
    ),
    fields: Type.Optional(
      Type.String({ maxLength: 100, description: 'only these columns of each title' }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'titles a page; without it, all that match',
        // The only example: Swagger UI fills it in, so that the first try is a page and not 3 MB.
        examples: [20],
      }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 2048, description: '`next` of the page before' }),
    ),
  },
  { additionalProperties: false },
)

export const AnimeList = Type.Object(
  {
    data: Type.Array(Type.Partial(Type.Object(Anime.properties))),
    total: Type.Integer({ description: 'titles that match, on all pages' }),
    next: nullable(Type.String({ description: 'the cursor of the next page' })),
  },
  { examples: [{ data: [example], total: 1, next: null }] },
)

const count = Type.Integer({ minimum: 0 })
const numbered = Type.Array(Type.Object({ value: nullable(Type.Integer()), count }))

export const NamedCounts = Type.Object({
  data: Type.Array(Type.Object({ name: Type.String(), count })),
})

export const Stats = Type.Object({
  total: count,
  types: NamedCounts.properties.data,
  genres: NamedCounts.properties.data,
  years: numbered,
  scores: numbered,
})

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'stable, for programs' }),
    detail: Type.String(),
    instance: Type.String(),
    traceId: Type.Optional(Type.String({ description: 'for whoever reads the log' })),
    errors: Type.Optional(
      Type.Array(Type.Object({ field: Type.String(), message: Type.String() })),
    ),
  },
  {
    $id: 'Problem',
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
  409: 'It exists already, or is being made',
  412: 'It has changed since',
  413: 'The body is too large',
  422: 'The `Idempotency-Key` was used for another request',
  429: 'Too many requests',
  503: 'The database is away; `Retry-After` says when to come back',
}
