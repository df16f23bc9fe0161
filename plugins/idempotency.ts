import { hash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Transaction } from 'kysely'
import { findKey, keepAnswer, takeKey } from '../db/idempotency-keys.ts'
import type { Schema } from '../db/schema.ts'
import type { Change } from './cache/index.ts'
import { BadField, KeyInUse, KeyReused } from './errors.ts'

/** An answer that can be given again: its body is ready to send. */
export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * As `write`, and sends the answer. With an `Idempotency-Key` the write happens once, and the same
     * request gets the same answer for 24 hours, also from another instance and after a crash
     * (draft-ietf-httpapi-idempotency-key-header).
     * @throws KeyReused (422) when the key came with another request, KeyInUse (409) while that one runs
     */
    writeOnce: (
      reply: FastifyReply,
      work: (trx: Transaction<Schema>) => Promise<{ result: StoredAnswer; change: Change }>,
    ) => Promise<FastifyReply>
  }
}

const sha256 = (text: string) => hash('sha256', text, 'base64url')

/** Gives `request.writeOnce`: writes that a client may repeat. */
async function idempotencyPlugin(app: FastifyInstance) {
  /** The keys whose writes run in this process. */
  const running = new Set<string>()

  app.decorateRequest('writeOnce', async function (this: FastifyRequest, reply, work) {
    const key = keyOf(this)
    if (key === undefined) return send(reply, await this.write(work))
    const { method, url, body, user } = this
    const id = sha256(`${user.id}\n${key}`)
    const fingerprint = sha256(JSON.stringify([method, url, body]))
    if (running.has(id)) throw new KeyInUse()
    running.add(id)
    try {
      const former = await formerAnswer(id, fingerprint)
      if (former !== undefined) return send(reply, former, true)
      const write = this.write<StoredAnswer, Transaction<Schema>>(async (trx) => {
        await takeKey(trx, id, fingerprint)
        const done = await work(trx)
        await keepAnswer(trx, id, JSON.stringify(done.result))
        return done
      })
      const answer = await write.catch(async (error) => {
        // Another instance was faster, or the commit did happen: its row says so.
        const other = await formerAnswer(id, fingerprint).catch((reason) => {
          if (reason instanceof KeyReused) throw reason
          return undefined
        })
        if (other === undefined) throw error
        return { ...other, replayed: true }
      })
      return send(reply, answer, 'replayed' in answer)
    } finally {
      running.delete(id)
    }
  })

  async function formerAnswer(id: string, fingerprint: string): Promise<StoredAnswer | undefined> {
    // By the writer, whose connection has seen the last commit.
    const row = await findKey(app.database.writer, id)
    if (row === undefined) return undefined
    if (row.fingerprint !== fingerprint) throw new KeyReused()
    return JSON.parse(row.answer) as StoredAnswer
  }
}

function send(reply: FastifyReply, { status, headers, body }: StoredAnswer, replayed = false) {
  if (replayed) reply.header('idempotent-replayed', 'true')
  return reply.code(status).headers(headers).send(body)
}

/**
 * The key: a structured string (`"8e03978e"`), or the bare text that many clients send.
 * @throws BadField for one that is empty, too long or not printable ASCII
 */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const field = headers['idempotency-key']
  if (field === undefined) return undefined
  const key = String(field).replace(/^"(.*)"$/, '$1')
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw new BadField('Idempotency-Key', 'must be 1 to 255 printable ASCII characters')
}

export default fp(idempotencyPlugin, {
  name: 'idempotency',
  dependencies: ['database', 'catalogue-cache', 'auth'],
})
