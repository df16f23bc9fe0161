import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { contentTypes, mediaTypes } from '../catalogue/formats.ts'
import { exportedId } from '../catalogue/names.ts'
import type { ListRead, Matching } from '../db/reads/list.ts'
import type { Read } from '../db/reads/read.ts'
import { cached, canonicalKey } from '../plugins/cache/index.ts'
import { NotFound } from '../plugins/errors.ts'
import { Anime, AnimeId } from '../schemas/anime.ts'
import {
  AnimeList,
  ListParameters,
  NamedCounts,
  Stats,
  Suggestions,
  SuggestParameters,
} from '../schemas/lists.ts'
import { answers, problems } from '../schemas/problems.ts'
import { acceptForm, formatOf } from './list-format.ts'
import { listKey, parseList, parseSearch } from './list-query.ts'

const json = { 'content-type': contentTypes.api }

const text = (example: string) => ({ schema: { type: 'string' }, example })

/** A list in the formats that `Accept` may ask for. */
const listAnswer = {
  description: 'The list, in the format that `Accept` asks for',
  content: {
    [mediaTypes.api]: { schema: AnimeList },
    [mediaTypes.csv]: text(
      `${exportedId},title,type,year,score,episodes,genres\r\n1,Cowboy Bebop,TV,1998,8.75,26,"[""Action""]"\r\n`,
    ),
    [mediaTypes.ndjson]: text(
      `{"${exportedId}":1,"title":"Cowboy Bebop","type":"TV","year":1998,"score":8.75,"episodes":26,"genres":["Action"]}\n`,
    ),
  },
}
const tags = ['catalogue']

/** The catalogue, for reading. Every answer here is cached; see docs/cache.md. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { database } = app

  /** The answer to a read that is never streamed, or undefined. */
  async function finished(read: Exclude<Read, ListRead>, signal: AbortSignal | undefined) {
    const answer = await database.read(read, { signal })
    if (answer === undefined || 'stream' in answer) return undefined
    return { body: answer.body, etag: answer.etag, headers: json }
  }

  app.get('/animes', {
    onRequest: app.requireReader,
    schema: {
      operationId: 'listAnimes',
      summary: 'List titles',
      description:
        'The whole filtered list, or with `limit` a page of it; as JSON, CSV or NDJSON, as `Accept` asks.',
      tags,
      querystring: ListParameters,
      response: { 200: listAnswer, ...problems(400, 406, 503) },
    },
    ...cached<unknown, Static<typeof ListParameters>, 'accept'>({
      vary: { accept: acceptForm },
      key: ({ query }) => listKey(parseList(query)),
      async read({ query: parameters, vary }, { held, signal }) {
        const format = formatOf(vary.accept)
        const headers = { 'content-type': contentTypes[format] }
        const { query, columns } = parseList(parameters)
        const totalKey = canonicalKey('totals', { ...query.filters })
        // A search counts what it finds.
        const isCounted = query.limit !== undefined && query.filters.q === undefined
        const counted = isCounted ? await held(totalKey) : undefined
        const matching = counted === undefined ? undefined : (JSON.parse(counted) as Matching)
        const read: ListRead = { what: 'list', query, columns, matching, format }
        const answer = await database.read(read, { signal })
        if ('stream' in answer!) return { body: answer.stream, headers, detail: 'too-large' }
        const { body, etag, next, matching: found } = answer!
        const link = next === null ? {} : { link: `<${nextUrl(parameters, next)}>; rel="next"` }
        const also = found === undefined ? {} : { [totalKey]: JSON.stringify(found) }
        return { body, etag, also, headers: { ...headers, ...link } }
      },
    }),
  })

  app.get('/animes/suggest', {
    onRequest: app.requireReader,
    schema: {
      operationId: 'suggestAnimes',
      summary: 'Titles for what is being typed',
      description: 'Up to ten titles that match, the best first, as a list with `q` has them.',
      tags,
      querystring: SuggestParameters,
      response: answers(Suggestions, 400, 503),
    },
    ...cached<unknown, Static<typeof SuggestParameters>>({
      key: ({ query: { q } }) => ({
        key: canonicalKey('suggest', { q: parseSearch(q) }),
        tags: ['all'],
      }),
      read: ({ query: { q } }, { signal }) =>
        finished({ what: 'suggest', q: parseSearch(q) }, signal),
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
      async read({ params: { id } }, { signal }) {
        const answer = await finished({ what: 'title', id }, signal)
        if (answer === undefined) throw new NotFound(`there is no anime ${id}`)
        return answer
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
        read: (_input, { signal }) => finished({ what: column }, signal),
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
      read: (_input, { signal }) => finished({ what: 'stats' }, signal),
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
