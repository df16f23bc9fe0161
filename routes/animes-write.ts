import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { Transaction } from 'kysely'
import type { AnimeRow } from '../catalogue/columns.ts'
import { renderAnime, stored, storedWhole } from '../catalogue/render.ts'
import { rowTags } from '../catalogue/tags.ts'
import { deleteAnime, insertAnime, lockAnime, updateAnime } from '../db/animes.ts'
import type { Schema } from '../db/schema.ts'
import { etagOf, opaque } from '../plugins/cache/entry.ts'
import { NotFound, PreconditionFailed } from '../plugins/errors.ts'
import { Anime, AnimeChanges, AnimeId, NewAnime } from '../schemas/anime.ts'
import { problems } from '../schemas/problems.ts'

const json = 'application/json; charset=utf-8'
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
        tags,
        security,
        body: NewAnime,
        response: { 201: Anime as unknown, ...problems(400, 401, 403, 503) },
      },
    },
    async (request, reply) => {
      const row = await request.write(async (trx: Transaction<Schema>) => {
        const result = await insertAnime(database, trx, storedWhole(request.body))
        return { result, change: [rowTags(result)] }
      })
      return answer(reply.code(201).header('location', `/v1/animes/${row.id}`), row)
    },
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
      const row = await request.write(async (trx: Transaction<Schema>) => {
        const before = found(request.params.id, await lockAnime(database, trx, request.params.id))
        checkMatch(request.headers['if-match'], before)
        const result = await updateAnime(trx, before, stored(request.body))
        return { result, change: [rowTags(before), rowTags(result)] }
      })
      return answer(reply, row)
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
      await request.write(async (trx: Transaction<Schema>) => {
        const before = found(request.params.id, await lockAnime(database, trx, request.params.id))
        checkMatch(request.headers['if-match'], before)
        await deleteAnime(trx, before.id)
        return { result: undefined, change: [rowTags(before)] }
      })
      return reply.code(204).send()
    },
  )
}

/** A title as it now stands, with the ETag under which a GET gives it. */
function answer(reply: FastifyReply, row: AnimeRow) {
  const body = renderAnime(row)
  return reply
    .type(json)
    .header('etag', `"${etagOf(body)}"`)
    .send(body)
}

function found(id: number, row: AnimeRow | undefined): AnimeRow {
  if (row === undefined) throw new NotFound(`there is no anime ${id}`)
  return row
}

/** RFC 9110, 13.1.1: strong comparison, so that a weak tag never matches. */
function checkMatch(field: string | undefined, row: AnimeRow): void {
  if (field === undefined || field.trim() === '*') return
  const current = etagOf(renderAnime(row))
  const listed = field.split(',').filter((tag) => !tag.trim().startsWith('W/'))
  if (!listed.some((tag) => opaque(tag) === current)) {
    throw new PreconditionFailed(`anime ${row.id} has changed since; read it again`)
  }
}

export default routes
