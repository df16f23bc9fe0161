import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { createEntry, encode } from '../../../plugins/cache/entry.ts'
import { createTagTree } from '../../../plugins/cache/tag-tree.ts'
import { startApp } from '../../support/app.ts'
import { get } from '../../support/cache.ts'

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
  t.ok(app.cache.memory.bytes >= held, 'and all of them are counted')
})

t.test('a change that touches 200,000 answers finds them all', async (t) => {
  const tree = createTagTree()
  for (let key = 0; key < 200_000; key += 1) tree.add(String(key), ['all'])
  t.equal(tree.touchedBy([['all', 'type:TV']]).length, 200_000)
  t.equal(tree.touchedBy('*').length, 200_000)
})

t.test('an answer too large for the memory is not said to be stored', async (t) => {
  const app = await startApp(t, { CACHE_MAX_BYTES: '1048576' }, { titles: 12_000 })
  t.notMatch((await get(app, '/v1/animes')).cache, 'stored')
  t.match((await get(app, '/v1/animes?limit=1')).cache, 'stored')
})

t.test('a coding that failed is tried again', async (t) => {
  const fields = { key: 'k', tags: ['all'], length: 5000, etag: 'e', headers: [] }
  const entry = createEntry({ ...fields, made: 0, expires: 0 }, 'zstd', Buffer.from('no zstd'))
  await t.rejects(async () => encode(entry, 'identity', () => {}))
  const body = Buffer.alloc(5000, 'a')
  entry.variants.set('zstd', { ...entry.variants.get('zstd')!, bytes: zstdCompressSync(body) })
  t.same((await encode(entry, 'identity', () => {})).bytes, body)
})
