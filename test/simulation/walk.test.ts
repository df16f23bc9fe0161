import t from 'tap'
import { catches } from './caught.ts'
import { smallWorlds, walk } from './walk.ts'

t.setTimeout(10 * 60_000)

/** The worlds that are walked in some seconds; `npm run simulate -- --walk` walks all. */
const quick = [
  'mssql, cold, a write and a read elsewhere',
  'mssql, cold, a write, a read, connections cut',
]

t.test('small worlds keep the promise in every interleaving', async (t) => {
  for (const world of smallWorlds().filter(({ name }) => quick.includes(name))) {
    const { name, histories, complete, failing } = await walk(world)
    t.equal(failing?.outcome.violations[0]?.text, undefined, name)
    t.ok(complete && histories > 90, `${name}: ${histories} histories, all of them`)
  }
})

t.test('the walk finds the interleaving that a broken build gets wrong', async (t) => {
  const output = await catches('a mark has no entry', '--walk')
  t.match(output, /the last one FAILS/)
})
