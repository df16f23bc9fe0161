import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, startServer } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startCollector } from '../telemetry/collectors.ts'

const page = readFileSync(join(root, 'docs/operate.md'), 'utf8')
const described = new Set([...page.matchAll(/`([\w.]+)`/g)].map(([, name]) => name))
const undescribed = (names: Iterable<string>) =>
  [...new Set(names)].filter((name) => !described.has(name))

t.test('docs/operate.md names every metric, of both kinds', async (t) => {
  const collector = await startCollector(t)
  const redis = await startRedis(t)
  const { url } = await startServer(t, { ...collector.env, REDIS_URL: redis.url })
  await (await fetch(`${url}/nowhere`)).text()
  const published = await (await fetch(`${url}/metrics`)).text()
  t.same(undescribed(Array.from(published.matchAll(/^# TYPE (\w+)/gm), ([, name]) => name!)), [])
  const sent = () => collector.points.map(({ name }) => name)
  await until('metrics are sent', () => sent().includes('http.server.request.duration'))
  t.same(undescribed(sent()), [])
})
