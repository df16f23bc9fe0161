import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type Backend, get, isHit, keysIn, mastersOf } from '../../support/cache.ts'
import { until } from '../../support/until.ts'
import type { Filters, Subject } from './subjects.ts'

/** What the cache promises over any Redis, to any application. */
export function cacheSuite(t: Test, startRedis: (t: Test) => Promise<Backend>, subject: Subject) {
  const { list, keyOf, one, counts, add, change, remove, purge, prefix } = subject
  let redis: Backend
  t.before(async () => {
    redis = await startRedis(t)
  })
  const start = (t: Test, count: number) => subject.start(t, redis, count)
  const keys = async () => {
    const all = await keysIn(redis, prefix)
    // A page keeps its total beside it, under a key of its own.
    const names = all.map((key) => key.slice(prefix.length))
    return names.filter((key) => !key.includes('probe') && !key.startsWith('totals:'))
  }
  const totalOf = async (app: FastifyInstance, filters: Filters) =>
    JSON.parse((await get(app, list(filters))).body).total as number

  t.test('an insert removes exactly the answers it makes wrong, everywhere', async (t) => {
    const [first, second] = await start(t, 2)
    const wrong = [
      list({}),
      list({ type: 'TV' }),
      list({ type: 'TV', genre: ['Action'] }),
      list({ genre: ['Action', 'Drama'] }),
      list({ year: 2020, type: 'TV' }),
      list({ limit: 2, type: 'TV' }),
      ...counts,
    ]
    const right = [
      list({ type: 'MOVIE' }),
      list({ type: 'TV', genre: ['Comedy'] }),
      list({ genre: ['Action', 'Comedy'] }),
      list({ year: 2020, type: 'MOVIE' }),
      list({ type: 'TV', year: 2019, genre: ['Action'] }),
      one(7),
    ]
    for (const app of [first!, second!]) for (const url of [...wrong, ...right]) await get(app, url)
    const before = await keys()
    const row = { title: 'New', type: 'TV', year: 2020, genre: ['Action', 'Drama'] }
    t.equal((await add(first!, row)).status, 201)
    const kept = await keys()
    t.equal(before.length - kept.length, wrong.length)
    t.notOk(kept.includes(keyOf({})))
    t.notOk(kept.includes(keyOf({ type: 'TV' })))
    t.ok(kept.includes(keyOf({ type: 'MOVIE' })))
    for (const app of [first!, second!]) {
      for (const url of right) t.ok(await isHit(app, url), `${url} is still a hit`)
    }
    for (const url of wrong) t.notOk(await isHit(second!, url), `${url} is not`)
  })

  t.test('a change of each tag removes lists of the old and the new row', async (t) => {
    const [first, second] = await start(t, 2)
    const { body } = await add(first!, {
      title: 'Moving',
      type: 'TV',
      year: 2001,
      genre: ['Action'],
    })
    const wrong: Filters[] = [
      ...[{ type: 'TV' }, { type: 'OVA' }, { year: 2001 }, { year: 2002 }],
      ...[{ genre: ['Action'] }, { genre: ['Drama'] }],
    ]
    // Neither the old row nor the new one is in these, though each of their tags changed.
    const right: Filters[] = [
      ...[{ type: 'TV', year: 2002 }, { type: 'OVA', genre: ['Action'] }, { type: 'MOVIE' }],
    ]
    for (const filters of [...wrong, ...right]) await get(second!, list(filters))
    const changed = await change(first!, body.id, { type: 'OVA', year: 2002, genre: ['Drama'] })
    t.equal(changed.status, 200)
    for (const filters of wrong) t.notOk(await isHit(second!, list(filters)), list(filters))
    for (const filters of right) t.ok(await isHit(second!, list(filters)), list(filters))
  })

  t.test('unrelated writes never add up to a miss, read between them or not', async (t) => {
    const [first, second, third] = await start(t, 3)
    const url = list({ type: 'TV', genre: ['Action'] })
    await get(second!, url)
    await add(first!, { title: 'A', type: 'TV', genre: ['Comedy'] })
    await add(first!, { title: 'B', type: 'OVA', genre: ['Action'] })
    t.ok(await isHit(second!, url), 'in memory')
    t.ok(await isHit(third!, url), 'in Redis')
  })

  t.test('a removal is seen at once by every instance', async (t) => {
    const [first, second] = await start(t, 2)
    for (const app of [first!, second!]) await get(app, one(9))
    t.equal((await remove(first!, 9)).status, 204)
    for (const app of [first!, second!]) t.equal((await get(app, one(9))).status, 404)
  })

  t.test('no instance lists an answer that a write on another one made wrong', async (t) => {
    const [first, second] = await start(t, 2)
    for (const type of ['TV', 'OVA']) await get(second!, list({ type }))
    await add(first!, { title: 'Listed', type: 'TV' })
    const listed = (await second!.cache.list(1000)).map(({ key }) => key)
    t.notOk(listed.includes(keyOf({ type: 'TV' })))
    t.ok(listed.includes(keyOf({ type: 'OVA' })))
  })

  t.test('what one instance stored, another serves', async (t) => {
    const [first, second] = await start(t, 2)
    const made = await get(first!, list({ type: 'TV' }))
    const served = await get(second!, list({ type: 'TV' }))
    t.match(made.cache, 'fwd=miss; stored')
    t.match(served.cache, '; hit;')
    t.equal(served.body, made.body)
    for (const name of ['etag', 'content-type', 'content-security-policy']) {
      t.equal(served.headers[name], made.headers[name], name)
    }
  })

  t.test('a row * put into the outbox by SQL empties everything within two seconds', async (t) => {
    const [first, second] = await start(t, 2)
    for (const app of [first!, second!]) await get(app, list({}))
    await subject.outbox.insert(first!)
    await until('both have let go', async () => (await keys()).length === 0, 2500)
    t.notOk(await isHit(second!, list({})))
    await until('the outbox is empty', async () => (await subject.outbox.size(first!)) === 0, 3000)
  })

  t.test(
    'a purge empties both tiers of every instance; a purge of one key, that key',
    async (t) => {
      const [first, second] = await start(t, 2)
      for (const app of [first!, second!]) {
        for (const type of ['TV', 'OVA']) await get(app, list({ type }))
      }
      const key = keyOf({ type: 'TV' })
      t.equal((await purge(first!, key)).status, 204)
      t.notOk((await keys()).includes(key))
      t.notOk(await isHit(second!, list({ type: 'TV' })), 'gone from memory everywhere')
      t.ok(await isHit(first!, list({ type: 'OVA' })))
      t.equal((await purge(first!)).status, 204)
      t.same(await keys(), [])
      t.notOk(await isHit(second!, list({ type: 'OVA' })))
    },
  )

  t.test('a write on one instance is read on the other at once, many times over', async (t) => {
    const [first, second] = await start(t, 2)
    let total = await totalOf(second!, { type: 'TV' })
    for (let round = 0; round < 30; round += 1) {
      await add(first!, { title: `Round ${round}`, type: 'TV' })
      total += 1
      t.equal(await totalOf(second!, { type: 'TV' }), total)
    }
  })

  t.test('nothing scans the key space', async (t) => {
    const [app] = await start(t, 1)
    await get(app!, list({}))
    await add(app!, { title: 'Stats', type: 'TV' })
    const nodes = mastersOf(redis.client)
    for (const node of nodes) await node.config('RESETSTAT')
    await get(app!, list({}))
    await add(app!, { title: 'Stats 2', type: 'TV' })
    await purge(app!)
    for (const node of nodes) {
      t.notMatch(await node.info('commandstats'), /cmdstat_(keys|scan|hgetall:calls=\d{3})\b/)
    }
  })
}
