import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Transaction } from 'kysely'
import type { Static } from 'typebox'
import type { AnimeRow } from '../catalogue/columns.ts'
import { contentTypes } from '../catalogue/formats.ts'
import { renderAnime } from '../catalogue/render.ts'
import type { Schema } from '../db/schema.ts'
import type { RowTags } from '../plugins/cache/index.ts'
import { BadField, NotFound, PreconditionFailed } from '../plugins/errors.ts'
import { Batch, type BatchOperation, BatchResults, IdempotencyHeaders } from '../schemas/batch.ts'
import { problems } from '../schemas/problems.ts'
import { addTitle, changeTitle, removeTitle } from './animes-write.ts'

/** Bytes of a body: 1,000 titles of the longest kind would be larger, those of people are not. */
const bodyLimit = 4 * 1024 * 1024

/** So many operations are done before other requests have their turn. */
const sliceLength = 20

/** Many changes of the catalogue in one transaction, under one mark of the cache: all, or none. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { database } = app

  app.post(
    '/animes/batch',
    {
      onRequest: app.requireRole('admin'),
      bodyLimit,
      schema: {
        operationId: 'changeAnimes',
        summary: 'Add, change and remove up to 1,000 titles: all of them, or none',
        description:
          'The operations are done in their order. If one cannot be done, nothing is, and `errors` names it.',
        tags: ['catalogue'],
        security: [{ bearer: [] }],
        headers: IdempotencyHeaders,
        body: Batch,
        response: {
          200: BatchResults as unknown,
          ...problems(400, 401, 403, 409, 412, 413, 422, 503),
        },
      },
    },
    async (request, reply) =>
      request.writeOnce(reply, async (trx) => {
        const results: string[] = []
        const change = new Map<string, RowTags>()
        for (const [index, operation] of request.body.operations.entries()) {
          if (index % sliceLength === sliceLength - 1) await turn()
          const done = await perform(trx, operation).catch((error) => {
            throw named(error, index)
          })
          results.push(render(done))
          for (const tags of done.change) change.set(tags.join(), tags)
        }
        const headers = { 'content-type': contentTypes.api }
        const body = `{"results":[${results.join()}]}`
        return { result: { status: 200, headers, body }, change: [...change.values()] }
      }),
  )

  interface Done {
    status: number
    row?: AnimeRow
    change: RowTags[]
  }

  async function perform(
    trx: Transaction<Schema>,
    operation: Static<typeof BatchOperation>,
  ): Promise<Done> {
    switch (operation.op) {
      case 'add':
        return { status: 201, ...(await addTitle(database, trx, operation.value)) }
      case 'change':
        return { status: 200, ...(await changeTitle(database, trx, operation)) }
      case 'remove':
        return { status: 204, ...(await removeTitle(database, trx, operation)) }
    }
  }

  const render = ({ status, row }: Done) =>
    row === undefined ? `{"status":${status}}` : `{"status":${status},"value":${renderAnime(row)}}`
}

/** The error of one operation, with its place in the batch. */
function named(error: Error, index: number): Error {
  const place = `operations.${index}`
  if (error instanceof NotFound) return new BadField(`${place}.id`, `is unknown: ${error.message}`)
  if (error instanceof PreconditionFailed) return new PreconditionFailed(error.message, place)
  return error
}

export default routes
