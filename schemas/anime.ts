import { type TSchema, type TUnion, type TUnsafe, Type } from 'typebox'
import {
  type Column,
  type ColumnName,
  type ColumnValue,
  column,
  columnNames,
  type ListColumn,
  type NullableColumn,
} from '../catalogue/columns.ts'

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** What no text may have: U+0000, and half a surrogate pair, which is no character. */
const bad = '\\0\\ud800-\\udfff'
export const text = `[^${bad}]`

/** A name of a list column. */
export const nameOf = ({ maxLength }: Pick<ListColumn, 'maxLength'>) =>
  Type.String({
    minLength: 1,
    maxLength,
    // SQL Server's = takes no notice of blanks at the end, and so would take two names for one that
    // the cache's tags tell apart.
    pattern: `^[^\\s${bad}](?:${text}*[^\\s${bad}])?$`,
  })

/** The least and the greatest value of a column of numbers. */
export const boundsOf = ({ minimum, maximum }: { minimum: number; maximum: number }) => ({
  minimum,
  maximum,
})

/** What a column takes; `given` or as the service shows it, which may have been written past it. */
function schemaOf(facts: Column, given: boolean): TSchema {
  switch (facts.kind) {
    case 'integer':
      return Type.Integer(boundsOf(facts))
    case 'decimal':
      // Not in what is shown: a validator that divides finds that 9.34 is no multiple of 0.01.
      return Type.Number({ ...boundsOf(facts), ...(given && { multipleOf: 0.01 }) })
    case 'choice':
      return Type.Enum([...facts.choices], { type: 'string' })
    case 'list':
      return given
        ? Type.Array(nameOf(facts), { maxItems: facts.maxItems, uniqueItems: true })
        : Type.Array(Type.String())
    case 'text':
      if (!given) return Type.String()
      return Type.String({
        minLength: 1,
        maxLength: facts.maxLength,
        pattern: `^${text}*[^\\s${bad}]${text}*$`,
      })
  }
}

type OrNull<Name, T extends TSchema> = Name extends NullableColumn
  ? TUnion<[T, ReturnType<typeof Type.Null>]>
  : T
type Properties = { [Name in ColumnName]: OrNull<Name, TUnsafe<ColumnValue<Name>>> }

const propertiesOf = (given: boolean) =>
  Object.fromEntries(
    columnNames.map((name) => {
      const facts = column(name)
      const schema = schemaOf(facts, given)
      return [name, facts.unknown === null ? nullable(schema) : schema]
    }),
  ) as unknown as Properties

const id = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

export const example = {
  id: 1,
  title: 'Cowboy Bebop',
  type: 'TV',
  year: 1998,
  score: 8.75,
  episodes: 26,
  genres: ['Action', 'Sci-Fi'],
}

export const Anime = Type.Object(
  { id, ...propertiesOf(false) },
  { $id: 'Anime', title: 'Anime', examples: [example] },
)

const given = propertiesOf(true)

export const AnimeChanges = Type.Object(Type.Partial(Type.Object(given)).properties, {
  title: 'AnimeChanges',
  additionalProperties: false,
  minProperties: 1,
  examples: [{ score: 8.8 }],
})

const { title } = given
export const NewAnime = Type.Object(
  { ...AnimeChanges.properties, title },
  {
    title: 'NewAnime',
    additionalProperties: false,
    examples: [{ title: 'Frieren', type: 'TV', year: 2023, score: 9.3, episodes: 28, genres: [] }],
  },
)

export const AnimeId = Type.Object({ id }, { additionalProperties: false })
