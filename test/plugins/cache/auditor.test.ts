import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { audit, startAuditor } from '../../../plugins/cache/auditor.ts'
import { cached } from '../../../plugins/cache/index.ts'
import { createLocalJournal } from '../../../plugins/cache/local-journal.ts'
import { createCache, type Leader } from '../../../plugins/cache/protocol.ts'
import { NotFound } from '../../../plugins/errors.ts'
import { startApp } from '../../support/app.ts'
import { cacheInUse, get, singleRedis } from '../../support/cache.ts'

t.test('the auditor reports an answer whose title is gone', async (t) => {
  const redis = await singleRedis(t)
  const app = await startApp(t, { REDIS_URL: redis.url }, { titles: 5 })
  await cacheInUse(app)
  await get(app, '/v1/animes/1')
  const read = () => Promise.reject(new NotFound('gone'))
  const broken = () => Promise.reject(new Error('no database'))
  const candidate = { key: 'anime:1' }
  t.equal(await audit(app.cache, { ...candidate, read }), false)
  await t.rejects(audit(app.cache, { ...candidate, read: broken }), 'an outage tells nothing')
})

t.test('an audit is no request: it ends no idle pause', async (t) => {
  let requests = 0
  const cache = createCache({
    maxBytes: 1_000_000,
    ttl: 60_000,
    openJournal: createLocalJournal,
    beforeLookup: () => {
      requests += 1
      return true
    },
  })
  const wanted = { key: 'k', tags: ['all'] }
  const { fill } = (await cache.join(wanted, await cache.lookup('k'))) as Leader
  await cache.store(fill, { body: Buffer.from('body'), headers: [] })
  t.equal(requests, 1)
  t.equal(await audit(cache, { ...wanted, read: async () => ({ body: 'body' }) }), true)
  t.equal(await audit(cache, { ...wanted, read: async () => ({ body: 'another' }) }), false)
  t.equal(requests, 1)
})

t.test('an audit that runs while the service closes fails without a word', async (t) => {
  const app = await startApp(t, {}, { titles: 5 })
  const errors: string[] = []
  for (const [id, closes] of [
    [1, false],
    [2, true],
  ] as const) {
    await get(app, `/v1/animes/${id}`)
    t.match((await get(app, `/v1/animes/${id}`)).cache, '; hit;')
    const candidate = { key: `anime:${id}`, read: () => Promise.reject(new Error('closed')) }
    const auditor = startAuditor({
      ...{ cache: app.cache, candidates: () => [candidate], interval: 60_000, onStale: t.fail },
      onError: (_error, key) => errors.push(key),
    })
    const audited = auditor.auditOne()
    if (closes) auditor.stop()
    await audited
    auditor.stop()
  }
  t.strictSame(errors, ['anime:1'])
})

t.test('an ETag of the query’s own is compared with itself', async (t) => {
  let body = 'one'
  const prepare = (app: FastifyInstance) => {
    const key = () => ({ key: 'own', tags: ['all'] })
    app.get('/own', cached({ key, read: async () => ({ body, etag: `version-${body}` }) }))
  }
  const app = await startApp(t, {}, { prepare })
  const hit = async () => {
    await get(app, '/own')
    t.match((await get(app, '/own')).cache, '; hit;')
  }
  await hit()
  await app.cacheAuditor.auditOne()
  t.equal(app.cache.totals.staleReads, 0)
  body = 'changed without a word to the cache'
  await hit()
  await app.cacheAuditor.auditOne()
  t.equal(app.cache.totals.staleReads, 1)
})
