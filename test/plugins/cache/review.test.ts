import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readOutbox } from '../../../db/outbox.ts'
import { dimensionTree } from '../../../plugins/cache/tree.ts'
import { startApp } from '../../support/app.ts'

t.test('a client that leaves before a refusal leaves nobody waiting', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const app = await startApp(
    t,
    {},
    {
      prepare: (app) => {
        const cache = () => ({ key: 'slow', dimensions: ['all'] })
        app.get('/slow', { config: { cache } }, async (_request, reply) => {
          arrived.resolve()
          await left.promise
          return reply.code(404).send('none')
        })
      },
    },
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n')
  await arrived.promise
  socket.destroy()
  await once(socket, 'close')
  await sleep(20)
  left.resolve()
  const answer = await fetch(`http://127.0.0.1:${port}/slow`, { signal: AbortSignal.timeout(3000) })
  t.equal(answer.status, 404)
})

t.test('the memory bound holds for every coding of an answer', async (t) => {
  const limit = 2_000_000
  const env = { CACHE_MAX_BYTES: String(limit) }
  const app = await startApp(t, env, { titles: 1000 })
  for (let page = 0; page < 12; page += 1) {
    for (const coding of ['identity', 'gzip', 'br', 'zstd']) {
      const headers = { 'accept-encoding': coding }
      await app.inject({ url: `/v1/animes?minYear=${1900 + page}`, headers })
    }
  }
  let held = 0
  for (const { variants } of app.cache.memory.values()) {
    for (const { bytes } of variants.values()) held += bytes.length
  }
  t.ok(held > limit / 4 && held <= limit, `${held} bytes held`)
  t.ok(app.cache.memory.calculatedSize >= held, 'and all of them are counted')
})

t.test('a change that touches 200,000 answers finds them all', async (t) => {
  const tree = dimensionTree()
  for (let key = 0; key < 200_000; key += 1) tree.add(String(key), ['all'])
  t.equal(tree.touchedBy([['all', 'type:TV']]).length, 200_000)
  t.equal(tree.touchedBy('*').length, 200_000)
})

t.test('an outbox row written by hand is sorted, or counts as everything', async (t) => {
  const app = await startApp(t)
  const { reader, writer } = app.database
  const rows: [string, unknown][] = [
    ['[["type:TV","genre:Action","all"]]', [['all', 'genre:Action', 'type:TV']]],
    ['[["genre:Slice of Life"]]', '*'],
    ['[[["x"]]]', '*'],
    ['[]', '*'],
    ['{', '*'],
  ]
  for (const [tags, change] of rows) {
    await writer.insertInto('outbox').values({ tags, mark: 'm' }).execute()
    const found = await readOutbox(reader)
    t.strictSame(found.at(-1)!.change, change, tags)
  }
})
