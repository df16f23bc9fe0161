import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { exportedId } from '../../catalogue/names.ts'
import { openDatabase } from '../../db/database.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { openBooks } from '../books/store.ts'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { freshDatabase, mssqlTestUrl } from '../support/mssql.ts'
import type { Filter, Row } from './history.ts'

/** An application that the checker runs on, in the words of the catalogue. */
export interface Subject {
  /** What starts an instance. */
  script: string
  /** The prefix of its keys in Redis. */
  prefix: string
  /** Makes a database with one row, and gives its URL. */
  prepare: (t: Teardown) => Promise<string>
  list: string
  /** Whether `q` finds rows by a word. */
  searches?: boolean
  /** The parameters of a list. */
  parametersOf: (filter: Filter) => [string, string][]
  /** More parameters of a page: it may leave rows out. */
  pages: [string, string][][]
  bodyOf: (row: Partial<Row> & { title?: string; score?: number }) => object
  rowOf: (shown: never) => Row
  /** Another format of its lists, and how what they show is read. */
  otherFormat?: { accept: string; read: (body: string) => unknown[] }
  /** The same change as a batch, among others of no effect; without `body` the removal. */
  batchOf?: (id: number, body?: object) => object
}

const secret = 'coherence-checker-secret-0123456789'

/** Settings of an instance under test. */
export const environment = { JWT_SECRET: secret, RATE_LIMIT_MAX: '100000000', LOG_LEVEL: 'info' }

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** An admin's access token, as the service would make it. */
function adminToken(): string {
  const now = Math.floor(Date.now() / 1000)
  const who = {
    sub: '1',
    email: 'a@b',
    role: 'admin',
    jti: 'x',
    iss: 'anime-api',
    aud: 'anime-api',
  }
  const claims = { ...who, iat: now, exp: now + 86_400 }
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

export const adminHeaders = { authorization: `Bearer ${adminToken()}` }

type ShownTitle = Omit<Row, 'stamp' | 'word'> & { title: string; episodes: number }

export const catalogue: Subject = {
  script: 'server.ts',
  prefix: '{animes}:',
  async prepare(t) {
    const url =
      mssqlTestUrl === undefined
        ? `sqlite:${join(temporaryFolder(t), 'anime.db')}`
        : await freshDatabase(t)
    const database = await openDatabase(url)
    await migrate(database)
    await importCatalogue(generateCsv(1), openStage(url))
    await database.close()
    return url
  },
  list: '/v1/animes',
  searches: true,
  parametersOf: ({ type, year, genre = [], word }) => [
    ...(word === undefined ? [] : [['q', word] as [string, string]]),
    ...(type === undefined ? [] : [['type', type] as [string, string]]),
    ...(year === undefined ? [] : [['year', String(year)] as [string, string]]),
    ...genre.map((name): [string, string] => ['genre', name]),
  ],
  pages: ['3', '10'].flatMap((limit) =>
    ['-score', 'title'].map((sort): [string, string][] => [
      ['limit', limit],
      ['sort', sort],
    ]),
  ),
  bodyOf: ({ stamp, word, ...row }) => ({
    ...row,
    ...(word !== undefined && { title: `The ${word} row` }),
    ...(stamp !== undefined && { episodes: stamp }),
  }),
  rowOf: ({ id, type, year, genres, title, episodes }: ShownTitle) => ({
    id,
    type,
    year,
    genres,
    word: title.split(' ')[1],
    stamp: episodes,
  }),
  otherFormat: {
    accept: 'application/x-ndjson',
    read: (body) =>
      body
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
        .map(({ [exportedId]: id, ...title }) => {
          if (id === undefined) throw new Error('another format')
          return { id, ...title }
        }),
  },
  batchOf: (id, body) => ({
    operations: [
      { op: 'change', id, value: { episodes: 1 } },
      body === undefined ? { op: 'remove', id } : { op: 'change', id, value: body },
    ],
  }),
}

/** The second application of the cache. */
export const books: Subject = {
  script: 'test/books/server.ts',
  prefix: '{books}:',
  async prepare(t) {
    const path = join(temporaryFolder(t), 'books.db')
    const store = openBooks(path)
    const first = { title: 'First', shelf: 'TV', year: 2001, authors: [], edition: 0 }
    await store.transaction(async (trx) => store.insert(trx, first))
    store.close()
    return `sqlite:${path}`
  },
  list: '/books',
  parametersOf: (filter) =>
    catalogue
      .parametersOf(filter)
      .map(([name, value]) => [{ type: 'shelf', genre: 'author' }[name] ?? name, value]),
  pages: ['3', '10'].map((limit) => [['limit', limit]]),
  bodyOf: ({ stamp, type, genres, score: _, word: __, ...row }) => ({
    ...row,
    ...(stamp !== undefined && { edition: stamp }),
    ...(type !== undefined && { shelf: type }),
    ...(genres !== undefined && { authors: genres }),
  }),
  rowOf: (book: {
    id: number
    shelf: string
    year: number
    authors: string[]
    edition: number
  }) => ({
    id: book.id,
    type: book.shelf,
    year: book.year,
    genres: book.authors,
    stamp: book.edition,
  }),
}
