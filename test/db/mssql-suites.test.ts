import { join } from 'node:path'
import t from 'tap'
import { withoutMssql } from '../support/mssql.ts'

/** Suites that do not care which database there is. */
const suites = [
  'db/animes',
  'db/import-keys',
  'db/migrate',
  'db/reads/lists',
  'db/search',
  'db/search-best',
  'db/search-sets',
  'routes/animes',
  'routes/batch',
  'routes/accounts',
  'routes/cached',
  'routes/fuzz',
  'routes/health',
  'routes/list-format',
  'routes/openapi',
  'routes/streamed',
  'plugins/auth',
  'plugins/errors',
  'plugins/idempotency',
  'plugins/metrics',
  'plugins/rate-limit',
  'plugins/accounts/sessions',
  'plugins/accounts/throttle',
  'plugins/cache/crash',
  'plugins/cache/faults',
  'plugins/cache/redis',
  'plugins/cache/redis-state',
  'plugins/cache/route',
  'plugins/cache/sending',
  'plugins/cache/stampede',
  'plugins/cache/write',
  'bin/export',
  'bin/user',
]

// With a server near by they take ten minutes.
if (!withoutMssql) t.setTimeout(3_600_000)

// One after the other: a server that is asked for a dozen schemas at once is slow, not wrong.
for (const suite of suites) {
  t.test(`test/${suite} on SQL Server`, { skip: withoutMssql, timeout: 600_000 }, (t) => {
    t.spawn(
      process.execPath,
      [join(import.meta.dirname, '..', `${suite}.test.ts`)],
      {
        env: { ...process.env, TEST_DATABASE: 'mssql', TAP_TIMEOUT: '600' },
        timeout: 600_000,
      },
      suite,
    )
    t.end()
  })
}
