import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import zlib from 'node:zlib'
import t, { type Test } from 'tap'
import { startApp } from '../support/app.ts'
import { get, write } from '../support/cache.ts'
import { until } from '../support/until.ts'

/** A service whose lists above 64 KiB are streamed, listening. */
async function listening(t: Test, titles = 3000) {
  const app = await startApp(t, { STREAM_ABOVE: '65536' }, { titles })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, port: (app.server.address() as AddressInfo).port }
}

async function request(port: number, headers = {}, method = 'GET'): Promise<IncomingMessage> {
  const path = '/v1/animes'
  const sent = http.request({ port, host: '127.0.0.1', path, method, headers, agent: false }).end()
  const [answer] = await once(sent, 'response')
  return answer
}

const decoders = {
  identity: (body: Buffer) => body,
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
}

t.test('a list above the bound is streamed, whole, in each coding, and not kept', async (t) => {
  const { port } = await listening(t)
  for (const [coding, decode] of Object.entries(decoders)) {
    const answer = await request(port, { 'accept-encoding': coding })
    t.equal(answer.statusCode, 200)
    t.match(answer.headers, {
      'content-type': 'application/json; charset=utf-8',
      'cache-status': 'anime-api; fwd=miss; detail=too-large',
      'transfer-encoding': 'chunked',
      vary: /accept-encoding/,
      'x-content-type-options': 'nosniff',
    })
    t.equal(answer.headers.etag, undefined)
    t.equal(answer.headers['content-encoding'], coding === 'identity' ? undefined : coding)
    const text = decode(await buffer(answer)).toString()
    t.match(text, /^\{"total":3000,/, 'the total comes first')
    const { data, total, next } = JSON.parse(text)
    t.strictSame([data.length, total, next], [3000, 3000, null])
  }
})

t.test('a list below the bound is kept as ever', async (t) => {
  const app = await startApp(t, { STREAM_ABOVE: '65536' }, { titles: 200 })
  t.match((await get(app, '/v1/animes')).cache, /fwd=miss; stored/)
  t.match((await get(app, '/v1/animes')).cache, /hit/)
})

t.test('HEAD of a streamed list has its header and no body', async (t) => {
  const { port } = await listening(t)
  const answer = await request(port, { 'accept-encoding': 'zstd' }, 'HEAD')
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'cache-status': /too-large/, 'content-encoding': 'zstd' })
  t.equal((await buffer(answer)).length, 0)
})

t.test('an answer that fails in its middle ends the connection', async (t) => {
  const { app, port } = await listening(t, 40_000)
  const answer = await request(port)
  answer.once('readable', () => answer.read(10))
  await once(answer, 'readable')
  await app.database.close()
  await t.rejects(buffer(answer), { code: 'ECONNRESET' })
  t.equal(answer.complete, false)
})

t.test('clients that leave make room for others', async (t) => {
  const { port } = await listening(t, 40_000)
  const open = []
  for (let each = 0; each < 8; each += 1) open.push(await request(port))
  const refused = await request(port)
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['retry-after'], '1')
  t.match(JSON.parse((await buffer(refused)).toString()), { code: 'TOO_MANY_READS' })
  for (const answer of open) answer.destroy()
  await until('there is room again', async () => {
    const answer = await request(port)
    answer.destroy()
    return answer.statusCode === 200
  })
})

t.test('a page never shows more rows than its total, nor fewer, while others write', async (t) => {
  const app = await startApp(t, {}, { titles: 300 })
  const { total } = JSON.parse((await get(app, '/v1/animes?type=MUSIC&limit=1')).body)
  const page = async (sort: string) => {
    const { body } = await get(app, `/v1/animes?type=MUSIC&limit=1000&sort=${sort}`)
    const list = JSON.parse(body) as { data: unknown[]; total: number }
    if (list.data.length !== list.total) t.fail(`${list.data.length} rows, total ${list.total}`)
    return list.total
  }
  let writing = true
  const writer = async () => {
    while (writing) {
      const added = await write(app, 'POST', '/v1/animes', { title: 'x', type: 'MUSIC' })
      await write(app, 'DELETE', `/v1/animes/${added.body.id}`)
    }
  }
  const writers = [writer(), writer()]
  const sorts = ['title', '-title', 'year', '-year', 'score', '-score', 'episodes', 'id', '-id']
  for (let round = 0; round < 40; round += 1) await Promise.all(sorts.map(page))
  writing = false
  await Promise.all(writers)
  t.equal(await page('score,title'), total)
})

t.test('the total is counted once, and again after a write that changes it', async (t) => {
  const app = await startApp(t, {}, { titles: 300 })
  const keys = () => [...app.cache.memory.values()].map(({ key }) => key)
  const totalOf = async (url: string) => JSON.parse((await get(app, url)).body).total as number
  const total = await totalOf('/v1/animes?type=OVA&limit=5')
  t.ok(keys().includes('totals:type=OVA'))
  t.equal(await totalOf('/v1/animes?type=OVA&limit=7&sort=-score'), total)
  await write(app, 'POST', '/v1/animes', { title: 'x', type: 'MOVIE' })
  t.ok(keys().includes('totals:type=OVA'), 'of another type it stays')
  await write(app, 'POST', '/v1/animes', { title: 'x', type: 'OVA' })
  t.notOk(keys().includes('totals:type=OVA'))
  t.equal(await totalOf('/v1/animes?type=OVA&limit=5'), total + 1)
})
