import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Transaction } from 'kysely'
import type { Static } from 'typebox'
import type { AnimeRow } from '../catalogue/columns.ts'
import { contentTypes } from '../catalogue/formats.ts'
import { renderAnime, stored, storedWhole } from '../catalogue/render.ts'
import { rowTags } from '../catalogue/tags.ts'
import { deleteAnime, insertAnime, lockAnime, updateAnime } from '../db/animes.ts'
import type { Database } from '../db/dialects/dialect.ts'
import type { Schema } from '../db/schema.ts'
import { etagOf, matches, noneMatch } from '../plugins/cache/entry.ts'
import { NotFound, PreconditionFailed } from '../plugins/errors.ts'
import type { StoredAnswer } from '../plugins/idempotency.ts'
import { Anime, AnimeChanges, AnimeId, NewAnime } from '../schemas/anime.ts'
import { IdempotencyHeaders } from '../schemas/batch.ts'
import { problems } from '../schemas/problems.ts'

const tags = ['catalogue']
const security = [{ bearer: [] }]

/**
 * The catalogue, for writing, by admins. Each route commits through `request.write`, so that what it
 * changed is gone from every cache before the answer leaves.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { database } = app
  const onRequest = app.requireRole('admin')

  app.post(
    '/animes',
    {
      onRequest,
      schema: {
        operationId: 'addAnime',
        summary: 'Add a title',
        description: 'With an `Idempotency-Key` it may be repeated: the title is added once.',
        tags,
        security,
        headers: IdempotencyHeaders,
        body: NewAnime,
        response: { 201: Anime as unknown, ...problems(400, 401, 403, 409, 422, 503) },
      },
    },
    async (request, reply) =>
      request.writeOnce(reply, async (trx) => {
        const { row, change } = await addTitle(database, trx, request.body)
        const location = { location: locationOf(request.url, row.id) }
        return { result: answerWith(201, row, location), change }
      }),
  )

  app.patch(
    '/animes/:id',
    {
      onRequest,
      schema: {
        operationId: 'changeAnime',
        summary: 'Change a title; with `If-Match`, only as it was seen',
        tags,
        security,
        params: AnimeId,
        body: AnimeChanges,
        response: { 200: Anime as unknown, ...problems(400, 401, 403, 404, 412, 503) },
      },
    },
    async (request, reply) => {
      const asked = { ...seenBy(request), value: request.body }
      const { headers, body } = await request.write(async (trx: Transaction<Schema>) => {
        const { row, change } = await changeTitle(database, trx, asked)
        return { result: answerWith(200, row), change }
      })
      return reply.headers(headers).send(body)
    },
  )

  app.delete(
    '/animes/:id',
    {
      onRequest,
      schema: {
        operationId: 'removeAnime',
        summary: 'Remove a title; with `If-Match`, only as it was seen',
        tags,
        security,
        params: AnimeId,
        response: { 204: { type: 'null' } as unknown, ...problems(400, 401, 403, 404, 412, 503) },
      },
    },
    async (request, reply) => {
      const seen = seenBy(request)
      await request.write(async (trx: Transaction<Schema>) => {
        const { change } = await removeTitle(database, trx, seen)
        return { result: undefined, change }
      })
      return reply.code(204).send()
    },
  )
}

/** Relative to the request's URL, so that it holds under whatever path the service is mounted. */
const locationOf = (url: string, id: number) =>
  url.split('?', 1)[0]!.endsWith('/') ? String(id) : `animes/${id}`

/** A title, and the fields by which a client says how it was seen (RFC 9110, 13.1). */
interface Seen {
  id: number
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

const seenBy = ({ params, headers }: Pick<FastifyRequest, 'params' | 'headers'>): Seen => ({
  id: (params as Static<typeof AnimeId>).id,
  ifMatch: headers['if-match'],
  ifNoneMatch: headers['if-none-match'],
})

export async function addTitle(
  database: Database,
  trx: Transaction<Schema>,
  body: Static<typeof NewAnime>,
) {
  const row = await insertAnime(database, trx, storedWhole(body))
  return { row, change: [rowTags(row)] }
}

/** @throws NotFound, PreconditionFailed */
export async function changeTitle(
  database: Database,
  trx: Transaction<Schema>,
  { value, ...seen }: Seen & { value: Static<typeof AnimeChanges> },
) {
  const before = await lockAsSeen(database, trx, seen)
  const row = await updateAnime(trx, before, stored(value))
  return { row, change: [rowTags(before), rowTags(row)] }
}

/** @throws NotFound, PreconditionFailed */
export async function removeTitle(database: Database, trx: Transaction<Schema>, seen: Seen) {
  const before = await lockAsSeen(database, trx, seen)
  await deleteAnime(trx, before)
  return { change: [rowTags(before)] }
}

/** The title as it now is, locked. */
async function lockAsSeen(
  database: Database,
  trx: Transaction<Schema>,
  { id, ifMatch, ifNoneMatch }: Seen,
): Promise<AnimeRow> {
  const row = await lockAnime(database, trx, id)
  if (row === undefined) throw new NotFound(`there is no anime ${id}`)
  if (ifMatch === undefined && ifNoneMatch === undefined) return row
  const current = etagOf(renderAnime(row))
  if (ifMatch !== undefined && !matches(ifMatch, current)) {
    throw new PreconditionFailed(`anime ${id} has changed since; read it again`)
  }
  if (ifNoneMatch !== undefined && noneMatch(ifNoneMatch, current)) {
    throw new PreconditionFailed(`anime ${id} is what If-None-Match excludes`)
  }
  return row
}

/** A title as it now is, with the ETag under which a GET gives it. */
function answerWith(
  status: number,
  row: AnimeRow,
  headers: Record<string, string> = {},
): StoredAnswer {
  const body = renderAnime(row)
  return {
    status,
    headers: { 'content-type': contentTypes.api, etag: `"${etagOf(body)}"`, ...headers },
    body,
  }
}

export default routes
