import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { buildBooks } from '../../books/app.ts'
import type { Books } from '../../books/store.ts'
import { type Teardown, temporaryFolder } from '../../support/app.ts'
import { type Backend, get, mastersOf, startInstances, write } from '../../support/cache.ts'
import { until } from '../../support/until.ts'

/** What narrows a list, in the words of the catalogue. */
export interface Filters {
  type?: string
  genre?: string[]
  year?: number
  limit?: number
}

interface Answer {
  status: number
  body: { id: number }
  cache: string
}

/** An application that the suite of the cache runs on. */
export interface Subject {
  prefix: string
  start: (t: Teardown, redis: Backend, count: number) => Promise<FastifyInstance[]>
  list: (filters: Filters) => string
  keyOf: (filters: Filters) => string
  one: (id: number) => string
  /** Answers that count all rows. */
  counts: string[]
  add: (app: FastifyInstance, row: { title: string } & Filters) => Promise<Answer>
  change: (app: FastifyInstance, id: number, row: Filters) => Promise<Answer>
  remove: (app: FastifyInstance, id: number) => Promise<Answer>
  purge: (app: FastifyInstance, key?: string) => Promise<Answer>
  /** Writes a row `*` into the outbox by SQL, and says how many rows are there. */
  outbox: {
    insert: (app: FastifyInstance) => Promise<unknown>
    size: (app: FastifyInstance) => Promise<number>
  }
}

const query = (parameters: Record<string, unknown>) => {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    [value].flat().map((each) => [name, String(each)]),
  )
  return String(new URLSearchParams(pairs))
}

/** The part of a key that lists the parameters, sorted. */
const keyPart = (parameters: Record<string, unknown>) =>
  [...new URLSearchParams(query(parameters))]
    .sort()
    .map(([name, value]) => `${name}=${value}`)
    .join('&') || 'all'

export const catalogue: Subject = {
  prefix: '{animes}:',
  start: startInstances,
  list: (filters) => `/v1/animes?${query({ ...filters })}`,
  keyOf: (filters) => `animes:${keyPart({ ...filters })}`,
  one: (id) => `/v1/animes/${id}`,
  counts: ['/v1/types', '/v1/stats'],
  add: (app, { genre = [], ...row }) => write(app, 'POST', '/v1/animes', { ...row, genres: genre }),
  change: (app, id, { genre, ...row }) =>
    write(app, 'PATCH', `/v1/animes/${id}`, { ...row, genres: genre }),
  remove: (app, id) => write(app, 'DELETE', `/v1/animes/${id}`),
  purge: (app, key) => write(app, 'DELETE', `/v1/cache${key ? `?${query({ key })}` : ''}`),
  outbox: {
    insert: ({ database }) =>
      database.writer.insertInto('outbox').values({ tags: '*', mark: null }).execute(),
    size: async ({ database }) =>
      (await database.reader.selectFrom('outbox').select('id').execute()).length,
  },
}

/** The books behind an app. */
const booksOf = new WeakMap<FastifyInstance, Books>()

const toBook = ({ type, genre, ...rest }: Filters & { title?: string }) => ({
  ...rest,
  ...(type !== undefined && { shelf: type }),
  ...(genre !== undefined && { authors: genre }),
})

const toBookQuery = ({ type, genre, ...rest }: Filters) => ({
  ...rest,
  ...(type !== undefined && { shelf: type }),
  ...(genre !== undefined && { author: genre }),
})

async function send(
  app: FastifyInstance,
  method: 'POST' | 'PATCH' | 'DELETE',
  url: string,
  payload?: object,
) {
  const answer = await app.inject({ method, url, ...(payload && { payload }) })
  const cache = String(answer.headers['cache-status'] ?? '')
  return { status: answer.statusCode, body: answer.payload ? answer.json() : undefined, cache }
}

export const books: Subject = {
  prefix: '{books}:',
  async start(t, { url, client }, count) {
    for (const node of mastersOf(client)) await node.flushall()
    const path = join(temporaryFolder(t), 'books.db')
    const apps: FastifyInstance[] = []
    for (let index = 0; index < count; index += 1) {
      const { app, books } = await buildBooks(path, url)
      booksOf.set(app, books)
      t.teardown(() => app.close())
      await app.ready()
      apps.push(app)
    }
    for (let row = 0; row < 20; row += 1) {
      await send(apps[0]!, 'POST', '/books', {
        title: `Book ${row}`,
        shelf: 'TV',
        authors: ['Action'],
      })
    }
    for (const app of apps) {
      await until('the cache is in use', async () => {
        await get(app, '/books?shelf=probe')
        return (await get(app, '/books?shelf=probe')).cache.includes('; hit;')
      })
    }
    return apps
  },
  list: (filters) => `/books?${query(toBookQuery(filters))}`,
  keyOf: (filters) => `books:${keyPart(toBookQuery(filters))}`,
  one: (id) => `/books/${id}`,
  counts: [],
  add: (app, row) => send(app, 'POST', '/books', toBook(row)),
  change: (app, id, row) => send(app, 'PATCH', `/books/${id}`, toBook(row)),
  remove: (app, id) => send(app, 'DELETE', `/books/${id}`),
  purge: (app, key) => send(app, 'DELETE', `/cache${key ? `?${query({ key })}` : ''}`),
  outbox: {
    insert: (app) => booksOf.get(app)!.run("insert into outbox (change) values ('*')"),
    size: async (app) => (await booksOf.get(app)!.outbox.read()).length,
  },
}
