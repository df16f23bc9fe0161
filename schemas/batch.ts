import { type Static, Type } from 'typebox'
import { Anime, AnimeChanges, AnimeId, example, NewAnime } from './anime.ts'

const { id } = AnimeId.properties
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
    title: 'Batch',
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
    title: 'BatchResults',
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
