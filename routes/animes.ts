import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { renderAnime, renderList } from '../catalogue/render.ts'
import { countAnimes, findAnime, listAnimes } from '../db/animes.ts'
import { cached } from '../plugins/cache/index.ts'
import { NotFound } from '../plugins/errors.ts'
import { Anime, AnimeId } from '../schemas/anime.ts'
import { AnimeList, ListParameters, NamedCounts, Stats } from '../schemas/lists.ts'
import { answers } from '../schemas/problems.ts'
import { encodeCursor, listKey, parseList } from './list-query.ts'

const json = { 'content-type': 'application/json; charset=utf-8' }
const tags = ['catalogue']

/** The catalogue, for reading. Every answer here is cached; see docs/cache.md. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { database } = app

  app.get('/animes', {
    onRequest: app.requireReader,
    schema: {
      operationId: 'listAnimes',
      summary: 'List titles',
      description: 'The whole filtered list, or with `limit` a page of it.',
      tags,
      querystring: ListParameters,
      response: answers(AnimeList, 400, 503),
    },
    ...cached<unknown, Static<typeof ListParameters>>({
      key: ({ query }) => listKey(parseList(query)),
      async read({ query: parameters }) {
        const { query, columns } = parseList(parameters)
        const { rows, total, more } = await listAnimes(database, query)
        const next = more ? encodeCursor(rows.at(-1)!, query.sort) : null
        const link = next === null ? {} : { link: `<${nextUrl(parameters, next)}>; rel="next"` }
        return { body: renderList(rows, columns, total, next), headers: { ...json, ...link } }
      },
    }),
  })

  app.get('/animes/:id', {
    onRequest: app.requireReader,
    schema: {
      operationId: 'getAnime',
      summary: 'One title',
      tags,
      params: AnimeId,
      querystring: NoQuery,
      response: answers(Anime, 400, 404, 503),
    },
    ...cached<Static<typeof AnimeId>, unknown>({
      key: ({ params: { id } }) => ({ key: `anime:${id}`, tags: [`id:${id}`] }),
      async read({ params: { id } }) {
        const row = await findAnime(database.reader, id)
        if (row === undefined) throw new NotFound(`there is no anime ${id}`)
        return { body: renderAnime(row), headers: json }
      },
    }),
  })

  for (const column of ['types', 'genres'] as const) {
    app.get(`/${column}`, {
      onRequest: app.requireReader,
      schema: {
        operationId: column,
        summary: `The ${column} there are, with the number of titles`,
        tags,
        querystring: NoQuery,
        response: answers(NamedCounts, 400, 503),
      },
      ...cached({
        key: () => ({ key: `${column}:all`, tags: ['all'] }),
        read: async () => ({ data: (await countAnimes(database))[column] }),
      }),
    })
  }

  app.get('/stats', {
    onRequest: app.requireReader,
    schema: {
      operationId: 'stats',
      summary: 'Counts by type, genre, year and whole score',
      tags,
      querystring: NoQuery,
      response: answers(Stats, 400, 503),
    },
    ...cached({
      key: () => ({ key: 'stats:all', tags: ['all'] }),
      read: async () => countAnimes(database),
    }),
  })
}

const NoQuery = { type: 'object', properties: {}, additionalProperties: false } as const

/**
 * The page at `cursor`, with the filters of this one, relative to this one's URL (RFC 3986, 4.2): it
 * holds under whatever path the service is mounted.
 */
function nextUrl(query: Static<typeof ListParameters>, cursor: string): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...query, cursor })) {
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each))
  }
  return `?${parameters}`
}

export default routes
