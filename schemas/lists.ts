import { Type } from 'typebox'
import { columns, sortable } from '../catalogue/columns.ts'
import { Anime, boundsOf, example, nameOf, nullable, text } from './anime.ts'

const { type, year, score, genres } = columns
const years = boundsOf(year)
const scores = boundsOf(score)

const searched = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: `^${text}+$`,
  description:
    'words of the title, or how they begin, whatever the case, the accents and the punctuation; the best match first',
})

export const SuggestParameters = Type.Object(
  { q: Type.String({ ...searched, examples: ['nar'] }) },
  { additionalProperties: false },
)

export const ListParameters = Type.Object(
  {
    type: Type.Optional(
      Type.Enum([...type.choices], { type: 'string', description: 'only this type' }),
    ),
    genre: Type.Optional(
      Type.Array(nameOf(genres), {
        maxItems: 8,
        minItems: 1,
        description: 'only titles with this genre; given several times: with all of them',
      }),
    ),
    year: Type.Optional(Type.Integer({ ...years, description: 'only this year' })),
    minYear: Type.Optional(Type.Integer({ ...years, description: 'this year or later' })),
    maxYear: Type.Optional(Type.Integer({ ...years, description: 'this year or earlier' })),
    minScore: Type.Optional(Type.Number({ ...scores, description: 'at least' })),
    maxScore: Type.Optional(Type.Number({ ...scores, description: 'at most' })),
    q: Type.Optional(searched),
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
        // The only example here: Swagger UI fills it in, so that the first try is a page and not 3 MB.
        examples: [20],
      }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 2048, description: '`next` of the page before' }),
    ),
  },
  { additionalProperties: false },
)

const corrected = Type.Optional(
  Type.String({ description: 'what was searched, since nothing matches `q` itself' }),
)

export const AnimeList = Type.Object(
  {
    data: Type.Array(Anime, { description: 'with `fields`, only those columns of each title' }),
    total: Type.Integer({ description: 'titles that match, on all pages' }),
    next: nullable(Type.String({ description: 'the cursor of the next page' })),
    corrected,
  },
  { title: 'AnimeList', examples: [{ data: [example], total: 1, next: null }] },
)

export const Suggestions = Type.Object(
  {
    corrected,
    data: Type.Array(Type.Pick(Anime, ['id', 'title', 'type', 'year']), { maxItems: 10 }),
  },
  { title: 'Suggestions' },
)

const count = Type.Integer({ minimum: 0 })
const numbered = Type.Array(
  Type.Object({ value: nullable(Type.Integer()), count }, { title: 'NumberedCount' }),
)

export const NamedCounts = Type.Object(
  { data: Type.Array(Type.Object({ name: Type.String(), count }, { title: 'NamedCount' })) },
  { title: 'NamedCounts' },
)

export const Stats = Type.Object(
  {
    total: count,
    types: NamedCounts.properties.data,
    genres: NamedCounts.properties.data,
    years: numbered,
    scores: numbered,
  },
  { title: 'Stats' },
)
