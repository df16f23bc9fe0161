import type { DatabaseSync } from 'node:sqlite'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import cache, {
  type CacheKey,
  cached,
  canonicalKey,
  everything,
} from '../../plugins/cache/index.ts'
import type { Outbox } from '../../plugins/cache/write.ts'
import { type Book, type BookFilter, type Books, openBooks } from './store.ts'

/*
 * A second application of the cache, with nothing of the catalogue in it: books by shelf, author and year.
 * The suite and the checker of the cache run on it too.
 */

const tag = (column: string, value: string | number) => `${column}:${encodeURIComponent(value)}`
const authorTags = (names: string[] = []) => names.map((name) => tag('author', name))

const bookTags = ({ id, shelf, year, authors }: Book) => [
  ...['all', tag('id', id), tag('shelf', shelf), tag('year', String(year))],
  ...authorTags(authors),
]

function listKey(query: BookFilter & { limit?: number }): CacheKey {
  const tags = authorTags(query.author)
  if (query.shelf !== undefined) tags.push(tag('shelf', query.shelf))
  if (query.year !== undefined) tags.push(tag('year', query.year))
  return { key: canonicalKey('books', { ...query }), tags: tags.length > 0 ? tags : ['all'] }
}

const text = { type: 'string' }
const integer = { type: 'integer' }
const querystring = {
  type: 'object',
  additionalProperties: false,
  properties: {
    shelf: text,
    year: integer,
    author: { type: 'array', items: text },
    limit: integer,
  },
}
const params = { type: 'object', properties: { id: integer } }

export interface BooksApp {
  app: FastifyInstance
  books: Books
}

/** Books of the SQLite file at `path`, cached on the Redis at `url` if it is given. */
export async function buildBooks(path: string, url?: string): Promise<BooksApp> {
  const app = Fastify()
  const books = openBooks(path)
  const client = url === undefined ? undefined : new Redis(url, { maxRetriesPerRequest: 0 })
  client?.on('error', () => {})
  await app.register(cache, {
    name: 'books',
    redis: client && { client, hashTag: 'books' },
    dataset: books.dataset,
    foreignVersion: books.foreignVersion,
    transaction: (work) => books.transaction(work),
    outbox: books.outbox as Outbox,
  })
  app.addHook('onClose', async () => {
    client?.disconnect()
    books.close()
  })

  const found = (id: number, book: Book | undefined): Book => {
    if (book !== undefined) return book
    throw Object.assign(new Error(`there is no book ${id}`), { statusCode: 404 })
  }

  app.get('/books', {
    schema: { querystring },
    ...cached<unknown, BookFilter & { limit?: number }>({
      key: ({ query }) => listKey(query),
      async read({ query: { limit, ...filter } }) {
        const all = books.list(filter)
        return { total: all.length, data: all.slice(0, limit) }
      },
    }),
  })
  app.get('/books/:id', {
    schema: { params },
    ...cached<{ id: number }, unknown>({
      key: ({ params: { id } }) => ({ key: `book:${id}`, tags: [`id:${id}`] }),
      read: async ({ params: { id } }) => found(id, books.find(id)),
    }),
  })

  app.post<{ Body: Partial<Book> }>('/books', async (request, reply) => {
    const empty = { title: '', shelf: 'none', year: null, authors: [], edition: null }
    const book = await request.write(async (trx: DatabaseSync) => {
      const result = books.insert(trx, { ...empty, ...request.body })
      return { result, change: [bookTags(result)] }
    })
    return reply.code(201).send(book)
  })
  app.patch<{ Params: { id: number }; Body: Partial<Book> }>(
    '/books/:id',
    { schema: { params } },
    async (request) =>
      request.write(async (trx: DatabaseSync) => {
        const { id } = request.params
        const before = found(id, books.find(id, trx))
        const result = { ...before, ...request.body, id }
        books.update(trx, result)
        return { result, change: [bookTags(before), bookTags(result)] }
      }),
  )
  app.delete<{ Params: { id: number } }>(
    '/books/:id',
    { schema: { params } },
    async (request, reply) => {
      await request.write(async (trx: DatabaseSync) => {
        const before = found(request.params.id, books.find(request.params.id, trx))
        books.remove(trx, before.id)
        return { result: undefined, change: [bookTags(before)] }
      })
      return reply.code(204).send()
    },
  )
  app.delete<{ Querystring: { key?: string } }>('/cache', async (request, reply) => {
    const { key } = request.query
    await request.write(async () => ({
      result: 0,
      change: key === undefined ? everything : { key },
    }))
    return reply.code(204).send()
  })
  app.get('/health/ready', async () => ({ database: 'ok' }))
  return { app, books }
}
