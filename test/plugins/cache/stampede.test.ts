import t from 'tap'
import { get, singleRedis, startInstances } from '../../support/cache.ts'
import { sentStatements } from '../../support/statements.ts'

t.test('500 identical misses on each of three instances: at most two queries each', async (t) => {
  const redis = await singleRedis(t)
  const apps = await startInstances(t, redis, 3)
  const url = '/v1/animes?type=TV&sort=-score'
  sentStatements()
  const answers = await Promise.all(
    apps.flatMap((app) => Array.from({ length: 500 }, () => get(app, url))),
  )
  const queries = sentStatements().filter((sql) => /select a\.id, a\.title/.test(sql))
  t.ok(queries.length >= 1 && queries.length <= 2 * apps.length, `${queries.length} queries`)
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
})
