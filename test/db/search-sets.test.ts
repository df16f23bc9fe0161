import type { Transaction } from 'kysely'
import t, { type Test } from 'tap'
import { deleteAnime, insertAnime, updateAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { mssqlReads } from '../../db/reads/mssql-dialect.ts'
import { sqliteReads } from '../../db/reads/sqlite-dialect.ts'
import type { Schema } from '../../db/schema.ts'
import { findBest } from '../../db/search/best.ts'
import { entriesIn, has, idSetOf, idsIn, intersection, placeOf } from '../../db/search/id-set.ts'
import { least } from '../../db/search/match.ts'
import { runOn } from '../../db/search/rows.ts'
import { findTitles } from '../../db/search/search.ts'
import { createSetCache, type SetCache } from '../../db/search/set-cache.ts'
import { newDatabase, onMssql } from '../support/app.ts'
import { seeded } from '../support/catalogue.ts'

const random = seeded(41)
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

/** Blocks of entries, of one word or of several that have some titles in common, with their ids. */
function someBlocks() {
  const range = pick([1, 40, 3000, 2 ** 31 - 1])
  const all = new Set<number>()
  const blocks = Array.from({ length: random(4) }, () => {
    const ids = Array.from({ length: random(pick([3, 300])) }, () => 1 + random(range))
    for (const id of ids) all.add(id)
    return Int32Array.from(ids.sort((a, b) => a - b).flatMap((id) => [id, random(1000)]))
  })
  return { blocks, ids: [...all].sort((a, b) => a - b) }
}

t.test('sets have the ids of their blocks, and intersections those of both', async (t) => {
  let [asBits, asIds] = [0, 0]
  for (let round = 0; round < 400; round += 1) {
    const [a, b] = [someBlocks(), someBlocks()]
    const [first, second] = [idSetOf(a.blocks), idSetOf(b.blocks)]
    for (const { bits } of [first, second]) {
      if (bits === undefined) asIds += 1
      else asBits += 1
    }
    const both = intersection(first, second)
    const expected = a.ids.filter((id) => b.ids.includes(id))
    const isEqual =
      `${[...idsIn(first)]}` === `${a.ids}` &&
      first.size === a.ids.length &&
      `${[...idsIn(both)]}` === `${expected}` &&
      both.size === expected.length
    if (!isEqual) t.fail(`${a.ids} and ${b.ids}`)
    const some = [...a.ids, 1 + random(3000), 2 ** 31 - 1]
    t.ok(some.every((id) => has(first, id) === a.ids.includes(id)))
    const kept = a.blocks.flatMap((block) => [...entriesIn(block, idsIn(second))])
    const wanted = a.blocks.flatMap((block) =>
      [...block].filter((_, at) => b.ids.includes(block[at - (at % 2)]!)),
    )
    t.same(kept, wanted)
    const id = pick(some)
    const place = a.ids.findIndex((each) => each >= id)
    t.equal(placeOf(idsIn(first), id), place === -1 ? a.ids.length : place)
  }
  t.ok(asBits > 50 && asIds > 50, `${asBits} as bits, ${asIds} as ids`)
})

t.test('a cache holds no more than it may, and what was used last', async (t) => {
  const set = idSetOf([Int32Array.from({ length: 200 }, (_, at) => at * 1000)])
  const cache = createSetCache(3000, 1)
  const state = { count: 1, last: 1 }
  for (const key of ['a', 'b']) cache.put(key, state, set)
  t.ok(cache.get('a', state))
  for (const key of ['c', 'd', 'e', 'f']) {
    cache.put(key, state, set)
    t.ok(cache.get('a', state))
    t.ok(cache.bytes <= 3000, `${cache.bytes} bytes`)
  }
  t.notOk(cache.get('b', state))
  cache.put('large', state, idSetOf([Int32Array.from({ length: 2000 }, (_, at) => at * 1000)]))
  t.notOk(cache.get('large', state), 'one that would take more than half')
})

const names = ['red', 'blue', 'green', 'the', 'reds', 'blues', '雪国']
/** Of common words, or one that may be the only one of its kind, whose rows go with it. */
const titleOf = () =>
  random(3) === 0
    ? `rare${random(40)}`
    : Array.from({ length: 1 + random(3) }, () => pick(names)).join(' ')

function queryOf() {
  const words = Array.from({ length: 1 + random(3) }, () =>
    pick(random(3) === 0 ? ['rare'] : names),
  )
  const last = words.pop()!
  return [...words, last.slice(0, 1 + random(last.length))].join(' ')
}

const columns = ['id', 'title', 'type', 'year', 'score', 'episodes', 'genres'] as const
const valuesOf = (title: string) => {
  const rest = { type: 'TV', year: 2001, episodes: 12, genres: '[]' }
  return { ...rest, title, score: random(900) / 100 }
}

async function open(t: Test) {
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(database)
  const rows = () => database.reader.selectFrom('animes').select(columns).orderBy('id').execute()
  /** A write, or one that is taken back. */
  const write = async (isKept: boolean, work: (trx: Transaction<Schema>) => Promise<unknown>) => {
    const back = new Error('taken back')
    const writing = database.writer.transaction().execute(async (trx) => {
      await work(trx)
      if (!isKept) throw back
    })
    await writing.catch((error: Error) => {
      if (error !== back) throw error
    })
  }
  return { database, url, rows, write, run: runOn(database.reader) }
}

t.test('sets that are kept are never stale, whatever is written between searches', async (t) => {
  const { database, url, rows, write, run } = await open(t)
  const dialect = onMssql ? mssqlReads : sqliteReads
  const caches = [createSetCache(1_000_000, 1), createSetCache(2000, 1)]
  for (let round = 0; round < (onMssql ? 60 : 200); round += 1) {
    if (round % 20 === 0) {
      const lines = Array.from({ length: 200 }, () => `${titleOf()},TV,${random(900) / 100}`)
      const file = `title,type,score\n${lines.join('\n')}`
      await importCatalogue([file], openStage(url), { replace: true })
    } else {
      const row = pick(await rows())
      await write(random(4) > 0, async (trx) => {
        const what = random(3)
        if (what === 0) await deleteAnime(trx, row)
        else if (what === 1) await updateAnime(trx, row, valuesOf(titleOf()))
        else await insertAnime(database, trx, valuesOf(titleOf()))
      })
    }
    const q = queryOf()
    const { keys } = await findTitles(run, q, createSetCache(0))
    for (const cache of caches) {
      const found = await findTitles(run, q, cache)
      t.same([...found.keys].sort(), [...keys].sort(), q)
      const best = await findBest(run, q, { count: 10, dialect, cache })
      if (best !== undefined && best.length > 0) t.same([...best], [...least(keys, 10)], q)
    }
  }
  t.ok(caches.every(({ bytes }) => bytes > 0))
})

t.test('a change is told by the number of rows, or by their greatest id', async (t) => {
  const { database, rows, write, run } = await open(t)
  /** A cache that forgets one of the two. */
  const careless = (forgotten: 'count' | 'last'): SetCache => {
    const cache = createSetCache(1_000_000, 1)
    return {
      ...cache,
      get: (key, state) => cache.get(key, { ...state, [forgotten]: 1 }),
      put: (key, state, set) => cache.put(key, { ...state, [forgotten]: 1 }, set),
    }
  }
  const caches = [createSetCache(1_000_000, 1), careless('count'), careless('last')]
  const found = async () => {
    const all = await Promise.all(caches.map((cache) => findTitles(run, 'r ra', cache)))
    return all.map(({ keys }) => keys.length)
  }
  await write(true, async (trx) => {
    for (const title of ['Rare', 'Rarest', 'Rarer'])
      await insertAnime(database, trx, valuesOf(title))
  })
  t.same(await found(), [3, 3, 3])
  await write(true, async (trx) => deleteAnime(trx, (await rows())[0]!))
  t.same(await found(), [2, 3, 2], 'rows that went are told by their number alone')
  await write(true, async (trx) => updateAnime(trx, (await rows())[0]!, valuesOf('Blue')))
  await write(true, (trx) => insertAnime(database, trx, valuesOf('Rattle')))
  const other = await findTitles(run, 'r rat', caches[2]!)
  t.equal(other.keys.length, 0, 'one that comes for one that went, by the greatest id alone')
  t.equal((await findTitles(run, 'r rat', caches[0]!)).keys.length, 1)
})
