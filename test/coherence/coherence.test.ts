import t from 'tap'
import { mutants } from './mutants.ts'
import { check } from './run.ts'
import { books } from './subject.ts'

t.setTimeout(30 * 60_000)
t.jobs = 1

t.test('three instances, random reads, writes and faults: no read is stale', async (t) => {
  const result = await check(t, { seconds: 60 })
  const { violations, ...figures } = result
  t.comment(figures)
  t.same(violations.slice(0, 3), [])
  t.ok(result.reads > 1000, `${result.reads} reads`)
  // How many depends on the faults of the minute: while Redis is away there is none.
  t.ok((result.statuses.hit ?? 0) > 50, `${result.statuses.hit} hits`)
})

t.test('a second application, a minute: no read is stale', async (t) => {
  const result = await check(t, { seconds: 60, subject: books })
  t.same(result.violations.slice(0, 3), [])
  t.ok(result.reads > 1000, `${result.reads} reads`)
  t.ok((result.statuses.hit ?? 0) > 50, `${result.statuses.hit} hits`)
})

for (const mutant of Object.keys(mutants)) {
  t.test(`the checker tells a broken build: ${mutant}`, async (t) => {
    const { violations, ...figures } = await check(t, { seconds: 180, mutant, untilCaught: true })
    t.comment(figures)
    t.ok(violations.length > 0, `${violations.length} stale reads: ${violations[0]}`)
  })
}
