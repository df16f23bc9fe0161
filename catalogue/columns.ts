/*
 * What a title is. Schemas, sort orders, fields, the import, its staging tables, the generator and the
 * tags of the cache are derived from this table: a new column is a line here, a migration, and tests.
 */

/** What narrows a list; every given filter must hold, and every genre. */
export interface AnimeFilters {
  type?: string
  genre?: string[]
  year?: number
  minYear?: number
  maxYear?: number
  minScore?: number
  maxScore?: number
  q?: string
}

interface Facts {
  /**
   * What stands for a value that is not known: null, or one of the column's own. A column without it
   * must always be given.
   */
  readonly unknown?: null | string | readonly []
  readonly sortable: boolean
  /** The column's name in files. */
  readonly file: string
  /** The filter by equality whose values are tags of the cache; see tags.ts. */
  readonly tag?: keyof AnimeFilters
}

export type IntegerColumn = Facts & {
  readonly kind: 'integer'
  readonly minimum: number
  readonly maximum: number
  /** Files say 0 for what nobody has counted. */
  readonly zeroIsUnknown?: boolean
  /** What people write in files for it. */
  readonly reads: 'year' | 'count'
}

/** A number that is kept with two decimals. */
export type DecimalColumn = Facts & {
  readonly kind: 'decimal'
  readonly minimum: number
  readonly maximum: number
}

export type TextColumn = Facts & { readonly kind: 'text'; readonly maxLength: number }

export type ChoiceColumn = Facts & { readonly kind: 'choice'; readonly choices: readonly string[] }

/** Names, each once; the database keeps them as a JSON array. `maxLength` is that of one name. */
export type ListColumn = Facts & {
  readonly kind: 'list'
  readonly maxItems: number
  readonly maxLength: number
}

export type Column = IntegerColumn | DecimalColumn | TextColumn | ChoiceColumn | ListColumn

/** Everything a title has but its id, in the order in which it is shown. Lengths are UTF-16 units. */
export const columns = {
  title: { kind: 'text', maxLength: 400, sortable: true, file: 'title' },
  type: {
    kind: 'choice',
    choices: ['TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'MUSIC', 'UNKNOWN'],
    unknown: 'UNKNOWN',
    sortable: true,
    file: 'type',
    tag: 'type',
  },
  year: {
    kind: 'integer',
    minimum: 1900,
    maximum: 2100,
    unknown: null,
    sortable: true,
    reads: 'year',
    file: 'year',
    tag: 'year',
  },
  score: {
    kind: 'decimal',
    minimum: 0,
    maximum: 10,
    unknown: null,
    sortable: true,
    file: 'score',
  },
  episodes: {
    kind: 'integer',
    minimum: 1,
    maximum: 100_000,
    unknown: null,
    zeroIsUnknown: true,
    reads: 'count',
    sortable: true,
    file: 'episodes',
  },
  genres: {
    kind: 'list',
    maxItems: 32,
    maxLength: 64,
    unknown: [],
    sortable: false,
    file: 'genres',
    tag: 'genre',
  },
} as const satisfies Record<string, Column>

/** The import's key of a title; null in the database for titles added through the API. */
export const sourceId = { minimum: 0, maximum: 2_147_483_647, file: 'animeID' } as const

type Columns = typeof columns
export type ColumnName = keyof Columns

type Value<C extends Column> = C extends { kind: 'integer' | 'decimal' }
  ? number
  : C extends { kind: 'list' }
    ? string[]
    : string

/** A column's values as the API has them, null apart. */
export type ColumnValue<Name extends ColumnName> = Value<Columns[Name]>
export type NullableColumn = {
  [Name in ColumnName]: Columns[Name] extends { unknown: null } ? Name : never
}[ColumnName]
export type ListColumnName = {
  [Name in ColumnName]: Columns[Name] extends { kind: 'list' } ? Name : never
}[ColumnName]

type OrNull<Name> = Name extends NullableColumn ? null : never

/** A title as the API shows it, without its id. */
export type AnimeValues = { [Name in ColumnName]: ColumnValue<Name> | OrNull<Name> }

/** A title as the database keeps it, without its id: lists are JSON arrays in text. */
export type StoredValues = {
  [Name in ColumnName]: Name extends ListColumnName ? string : AnimeValues[Name]
}

/** A title as the database gives it. */
export type AnimeRow = { id: number } & StoredValues

export const columnNames = Object.keys(columns) as ColumnName[]

/** A column by its name, without what is particular to it. */
export const column = (name: ColumnName): Column => columns[name]

export const isNullable = (name: string) =>
  Object.hasOwn(columns, name) && column(name as ColumnName).unknown === null

export const isList = (name: string): name is ListColumnName =>
  Object.hasOwn(columns, name) && column(name as ColumnName).kind === 'list'

/** What a title is shown with, and what `fields` takes. */
export type AnimeColumn = 'id' | ColumnName
export const animeColumns: readonly AnimeColumn[] = ['id', ...columnNames]

/** What `sort` takes. */
export type SortableColumn =
  | 'id'
  | { [Name in ColumnName]: Columns[Name] extends { sortable: true } ? Name : never }[ColumnName]
export const sortable = [
  ...columnNames.filter((name) => columns[name].sortable),
  'id',
] as SortableColumn[]

/** What the import hands to a database, in this order; without a `source_id` other values tell a title. */
export type StagedRow = { source_id: number | null } & StoredValues
export const stagedColumns: readonly (keyof StagedRow)[] = ['source_id', ...columnNames]

/** Staged column -> its name in files. */
export const fileNames = {
  source_id: sourceId.file,
  ...Object.fromEntries(columnNames.map((name) => [name, columns[name].file])),
} as Record<keyof StagedRow, string>
