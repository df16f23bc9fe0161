import t from 'tap'
import { smallWorlds, walk } from './walk.ts'

t.setTimeout(5 * 60_000)

/** The worlds that are walked in some seconds; `npm run simulate -- --walk` walks all. */
const quick = ['mssql, cold, a write and a read elsewhere']

t.test('small worlds keep the promise in every interleaving', async (t) => {
  for (const world of smallWorlds().filter(({ name }) => quick.includes(name))) {
    const { name, histories, complete, failing } = await walk(world)
    t.equal(failing?.outcome.violations[0]?.text, undefined, name)
    t.ok(complete && histories > 1000, `${name}: ${histories} interleavings, all of them`)
  }
})
