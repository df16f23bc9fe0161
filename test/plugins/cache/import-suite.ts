import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { generateCsv } from '../../../db/import/generate.ts'
import { temporaryFolder } from '../../support/app.ts'
import { type Backend, get, startInstances } from '../../support/cache.ts'
import { run } from '../../support/process.ts'

/** What an import, as another process, does to the caches behind one Redis. */
export function importSuite(t: Test, startRedis: (t: Test) => Promise<Backend>): void {
  t.test('when an import ends, no instance serves what was before', async (t) => {
    const redis = await startRedis(t)
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
  })
}
