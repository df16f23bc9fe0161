import t from 'tap'
import { catches } from './caught.ts'
import type { Outcome } from './simulate.ts'
import { type SmallWorld, smallWorlds, walk } from './walk.ts'

t.setTimeout(10 * 60_000)

/** The worlds that are walked in some seconds; `npm run simulate -- --walk` walks all. */
const quick = [
  'mssql, cold, a write and a read elsewhere',
  'mssql, cold, a write, a read, connections cut',
  'mssql, cold, a write, a read, redis flushed',
]

t.test('small worlds keep the promise in every interleaving', async (t) => {
  for (const world of smallWorlds().filter(({ name }) => quick.includes(name))) {
    const { name, histories, complete, failing } = await walk(world)
    t.equal(failing?.outcome.violations[0]?.text, undefined, name)
    t.ok(complete && histories > 30, `${name}: ${histories} histories, all of them`)
  }
})

/** What each instance answered, and what became of its writes. */
function seenIn({ lines }: Outcome): string {
  const by = new Map<string, string[]>()
  for (const { who, what } of lines) {
    if (/^answers|^write \d+ (is done|failed)/.test(what))
      by.set(who, [...(by.get(who) ?? []), what])
  }
  return JSON.stringify([...by].sort())
}

const tiny = { database: 'mssql', warm: true } as const
const [write, read] = [
  { kind: 'write', instance: 0 } as const,
  { kind: 'read', instance: 1 } as const,
]
const compared: SmallWorld[] = [
  { ...tiny, name: 'a write and a read', actors: [write, read] },
  { ...tiny, name: 'a write and a flush', actors: [write], fault: 'redis flushed' },
  { ...tiny, name: 'a read and a flush', actors: [read], fault: 'redis flushed' },
  { ...tiny, name: 'a write and a cut', actors: [write], fault: 'connections cut' },
]

t.test('what need not be walked shows nothing that the rest does not', async (t) => {
  for (const world of compared) {
    const [all, some] = [new Set<string>(), new Set<string>()]
    const full = await walk(world, { reduced: false, onHistory: (one) => all.add(seenIn(one)) })
    const { histories } = await walk(world, { onHistory: (one) => some.add(seenIn(one)) })
    t.same([...some].sort(), [...all].sort(), world.name)
    t.ok(
      histories <= full.histories,
      `${histories} histories of ${full.histories}, ${all.size} ends`,
    )
  }
})

for (const mutant of [
  'a mark has no entry',
  'rule 4: a request joins a read already sent',
  'rule 3: the version is noted after the query',
  'rule 6: a write is not marked',
]) {
  t.test(`the walk finds the interleaving that a broken build gets wrong: ${mutant}`, async (t) => {
    t.match(await catches(mutant, '--walk'), /the last one FAILS/)
  })
}
