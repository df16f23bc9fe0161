import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { countAnimes, findAnime, listAnimes } from '../db/animes.ts'
import type { CacheKey } from '../plugins/cache/keys.ts'
import { NotFound } from '../plugins/errors.ts'
import { encodeCursor, listKey, parseList } from './list-query.ts'
import { renderAnime, renderList } from './render.ts'
import {
  Anime,
  AnimeId,
  AnimeList,
  answers,
  ListParameters,
  NamedCounts,
  Stats,
} from './schemas.ts'

const json = 'application/json; charset=utf-8'
const tags = ['catalogue']
const counted = (key: string) => (): CacheKey => ({ key, dimensions: ['all'] })
const parsed = (request: FastifyRequest) =>
  parseList(request.query as Static<typeof ListParameters>)

/** The catalogue, for reading. Every answer here is cached; see docs/cache.md. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { database } = app

  app.get(
    '/animes',
    {
      config: { cache: (request) => listKey(parsed(request)) },
      onRequest: app.readers,
      schema: {
        operationId: 'listAnimes',
        summary: 'List titles',
        description: 'The whole filtered list, or with `limit` a page of it.',
        tags,
        querystring: ListParameters,
        response: answers(AnimeList, 400, 503),
      },
    },
    async (request, reply) => {
      const { query, columns } = parseList(request.query)
      const { rows, total, more } = await listAnimes(database, query)
      const next = more ? encodeCursor(rows.at(-1)!, query.sort) : null
      if (next !== null) reply.header('link', `<${nextUrl(request.query, next)}>; rel="next"`)
      return reply.type(json).send(renderList(rows, columns, total, next))
    },
  )

  app.get(
    '/animes/:id',
    {
      config: {
        cache: (request) => {
          const { id } = request.params as Static<typeof AnimeId>
          return { key: `anime:${id}`, dimensions: [`id:${id}`] }
        },
      },
      onRequest: app.readers,
      schema: {
        operationId: 'getAnime',
        summary: 'One title',
        tags,
        params: AnimeId,
        querystring: nothing,
        response: answers(Anime, 400, 404, 503),
      },
    },
    async ({ params: { id } }, reply) => {
      const row = await findAnime(database.reader, id)
      if (row === undefined) throw new NotFound(`there is no anime ${id}`)
      return reply.type(json).send(renderAnime(row))
    },
  )

  for (const dimension of ['types', 'genres'] as const) {
    app.get(
      `/${dimension}`,
      {
        config: { cache: counted(`${dimension}:all`) },
        onRequest: app.readers,
        schema: {
          operationId: dimension,
          summary: `The ${dimension} there are, with the number of titles`,
          tags,
          querystring: nothing,
          response: answers(NamedCounts, 400, 503),
        },
      },
      async (_request, reply) => {
        const counts = await countAnimes(database)
        return reply.type(json).send(JSON.stringify({ data: counts[dimension] }))
      },
    )
  }

  app.get(
    '/stats',
    {
      config: { cache: counted('stats:all') },
      onRequest: app.readers,
      schema: {
        operationId: 'stats',
        summary: 'Counts by type, genre, year and whole score',
        tags,
        querystring: nothing,
        response: answers(Stats, 400, 503),
      },
    },
    async (_request, reply) => reply.type(json).send(JSON.stringify(await countAnimes(database))),
  )
}

const nothing = { type: 'object', properties: {}, additionalProperties: false } as const

/** The URL of the page at `cursor`, with the filters of this one (RFC 8288). */
function nextUrl(query: Static<typeof ListParameters>, cursor: string): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...query, cursor })) {
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each))
  }
  return `/v1/animes?${parameters}`
}

export default routes
