import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { generateCsv } from '../../../db/import/generate.ts'
import { temporaryFolder } from '../../support/app.ts'
import {
  type Backend,
  get,
  isHit,
  keysIn,
  mastersOf,
  startInstances,
  write,
} from '../../support/cache.ts'
import { run } from '../../support/process.ts'
import { until } from '../../support/until.ts'

/** What the cache promises over any Redis; run on one server and on a cluster. */
export function cacheSuite(t: Test, start: (t: Test) => Promise<Backend>): void {
  let redis: Backend
  t.before(async () => {
    redis = await start(t)
  })

  t.test('an insert removes exactly the answers it makes wrong, everywhere', async (t) => {
    const [one, other] = await startInstances(t, redis, 2)
    const wrong = [
      '/v1/animes',
      '/v1/animes?type=TV',
      '/v1/animes?type=TV&genre=Action',
      '/v1/animes?genre=Action&genre=Drama',
      '/v1/animes?year=2020&type=TV',
      '/v1/animes?limit=2&sort=-score&type=TV',
      '/v1/types',
      '/v1/stats',
    ]
    const right = [
      '/v1/animes?type=MOVIE',
      '/v1/animes?type=TV&genre=Comedy',
      '/v1/animes?genre=Action&genre=Comedy',
      '/v1/animes?year=2020&type=MOVIE',
      '/v1/animes?type=TV&year=2019&genre=Action',
      '/v1/animes/7',
    ]
    for (const app of [one!, other!]) for (const url of [...wrong, ...right]) await get(app, url)
    const before = await keysIn(redis)
    const title = { title: 'New', type: 'TV', year: 2020, genres: ['Action', 'Drama'] }
    t.equal((await write(one!, 'POST', '/v1/animes', title)).status, 201)
    const gone = before.filter((key) => !key.includes('probe'))
    const kept = (await keysIn(redis)).filter((key) => !key.includes('probe'))
    t.equal(gone.length - kept.length, wrong.length, 'as many keys went as were wrong')
    t.notOk(kept.includes('{animes}:animes:all'))
    t.notOk(kept.includes('{animes}:animes:type=TV'))
    t.ok(kept.includes('{animes}:animes:type=MOVIE'))
    for (const app of [one!, other!]) {
      for (const url of right) t.ok(await isHit(app, url), `${url} is still a hit`)
    }
    for (const url of wrong) t.notOk(await isHit(other!, url), `${url} is not`)
  })

  t.test('a change of type, genre and year removes lists of the old and the new row', async (t) => {
    const [one, other] = await startInstances(t, redis, 2)
    const row = { title: 'Moving', type: 'TV', year: 2001, genres: ['Action'] }
    const { body } = await write(one!, 'POST', '/v1/animes', row)
    const wrong = ['type=TV', 'type=OVA', 'genre=Action', 'genre=Drama', 'year=2001', 'year=2002']
    // Neither the old row nor the new one is in these, though each tag of them moved.
    const right = ['type=TV&year=2002', 'type=OVA&genre=Action', 'type=MOVIE']
    const url = (query: string) => `/v1/animes?${query}`
    for (const query of [...wrong, ...right]) await get(other!, url(query))
    const change = { type: 'OVA', year: 2002, genres: ['Drama'] }
    t.equal((await write(one!, 'PATCH', `/v1/animes/${body.id}`, change)).status, 200)
    for (const query of wrong) t.notOk(await isHit(other!, url(query)), `${query} went`)
    for (const query of right) t.ok(await isHit(other!, url(query)), `${query} stays`)
  })

  t.test('unrelated writes never add up to a miss, read between them or not', async (t) => {
    const [one, other, third] = await startInstances(t, redis, 3)
    const url = '/v1/animes?type=TV&genre=Action'
    await get(other!, url)
    await write(one!, 'POST', '/v1/animes', { title: 'A', type: 'TV', genres: ['Comedy'] })
    await write(one!, 'POST', '/v1/animes', { title: 'B', type: 'OVA', genres: ['Action'] })
    t.ok(await isHit(other!, url), 'in memory')
    t.ok(await isHit(third!, url), 'in Redis')
  })

  t.test('a delete is seen at once by every instance', async (t) => {
    const [one, other] = await startInstances(t, redis, 2)
    for (const app of [one!, other!]) await get(app, '/v1/animes/9')
    t.equal((await write(one!, 'DELETE', '/v1/animes/9')).status, 204)
    for (const app of [one!, other!]) t.equal((await get(app, '/v1/animes/9')).status, 404)
  })

  t.test('what one instance stored, another serves', async (t) => {
    const [one, other] = await startInstances(t, redis, 2)
    const made = await get(one!, '/v1/animes?type=TV')
    const served = await get(other!, '/v1/animes?type=TV')
    t.match(made.cache, 'fwd=miss; stored')
    t.match(served.cache, '; hit;')
    t.equal(served.body, made.body)
    t.equal(served.headers.etag, made.headers.etag)
    t.equal(served.headers['content-security-policy'], made.headers['content-security-policy'])
  })

  t.test(
    'when an import by another process ends, no instance serves what was before',
    async (t) => {
      const [one, other] = await startInstances(t, redis, 2)
      for (const app of [one!, other!]) await get(app, '/v1/animes?type=TV')
      const { DATABASE_URL, JWT_SECRET } = one!.config
      const file = join(temporaryFolder(t), 'one.csv')
      writeFileSync(file, [...generateCsv(1)].join(''))
      const env = { DATABASE_URL, JWT_SECRET, REDIS_URL: redis.url }
      const importing = run(t, 'bin/import.ts', [file, '--replace'], env)
      t.equal((await importing.exited).code, 0, importing.stderr())
      for (const app of [one!, other!]) {
        t.equal(JSON.parse((await get(app, '/v1/animes')).body).total, 1)
        t.ok(JSON.parse((await get(app, '/v1/animes?type=TV')).body).total <= 1)
      }
    },
  )

  t.test('a row * put into the outbox by SQL empties everything within two seconds', async (t) => {
    const [one, other] = await startInstances(t, redis, 2)
    for (const app of [one!, other!]) await get(app, '/v1/animes')
    const { writer } = one!.database
    await writer.insertInto('outbox').values({ tags: '*', mark: null }).execute()
    await until('both have let go', async () => (await keysIn(redis)).length === 0, 2000)
    t.notOk(await isHit(other!, '/v1/animes'))
    const rows = () => one!.database.reader.selectFrom('outbox').select('id').execute()
    await until('the outbox is empty', async () => (await rows()).length === 0, 3000)
  })

  t.test(
    'a purge empties both tiers of every instance; a purge of one key, that key',
    async (t) => {
      const [one, other] = await startInstances(t, redis, 2)
      for (const app of [one!, other!]) await get(app, '/v1/animes?type=TV')
      for (const app of [one!, other!]) await get(app, '/v1/animes?type=OVA')
      const key = encodeURIComponent('animes:type=TV')
      t.equal((await write(one!, 'DELETE', `/v1/cache?key=${key}`)).status, 204)
      t.notOk((await keysIn(redis)).includes('{animes}:animes:type=TV'))
      t.notOk(await isHit(other!, '/v1/animes?type=TV'), 'gone from memory everywhere')
      t.ok(await isHit(one!, '/v1/animes?type=OVA'))
      t.equal((await write(one!, 'DELETE', '/v1/cache')).status, 204)
      t.same(await keysIn(redis), [])
      t.notOk(await isHit(other!, '/v1/animes?type=OVA'))
    },
  )

  t.test('nothing scans the key space', async (t) => {
    const [one] = await startInstances(t, redis, 1)
    await get(one!, '/v1/animes')
    await write(one!, 'POST', '/v1/animes', { title: 'Stats', type: 'TV' })
    const nodes = mastersOf(redis.client)
    for (const node of nodes) await node.config('RESETSTAT')
    await get(one!, '/v1/animes')
    await write(one!, 'POST', '/v1/animes', { title: 'Stats 2', type: 'TV' })
    await write(one!, 'DELETE', '/v1/cache')
    for (const node of nodes) {
      t.notMatch(await node.info('commandstats'), /cmdstat_(keys|scan|hgetall:calls=\d{3})\b/)
    }
  })
}
