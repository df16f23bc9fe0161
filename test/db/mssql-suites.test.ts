import { join } from 'node:path'
import t from 'tap'
import { withoutMssql } from '../support/mssql.ts'

/** Suites of the API that do not care which database is under it. */
const suites = ['routes/animes', 'routes/accounts', 'routes/fuzz']

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
