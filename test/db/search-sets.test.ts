import type { Transaction } from 'kysely'
import t, { type Test } from 'tap'
import { deleteAnime, insertAnime, updateAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { mssqlReads } from '../../db/reads/mssql-dialect.ts'
import type { SearchSession } from '../../db/reads/session.ts'
import { sqliteReads } from '../../db/reads/sqlite-dialect.ts'
import type { Schema } from '../../db/schema.ts'
import { findBest } from '../../db/search/best.ts'
import {
  entriesIn,
  has,
  idSetOf,
  idsIn,
  intersection,
  placeOf,
  union,
  without,
} from '../../db/search/id-set.ts'
import { createLoader } from '../../db/search/loader.ts'
import { least } from '../../db/search/match.ts'
import { makeWanted, prepareFrequent } from '../../db/search/prepare.ts'
import { runOn } from '../../db/search/rows.ts'
import { findTitles } from '../../db/search/search.ts'
import { createSetCache, type KeptSet, type SetCache } from '../../db/search/set-cache.ts'
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

t.test(
  'sets have the ids of their blocks; intersections, unions and what is left have theirs',
  async (t) => {
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
      const either = [...new Set([...a.ids, ...b.ids])].sort((x, y) => x - y)
      t.same([...idsIn(union([first, second]))], either)
      const from = pick([0, ...b.ids])
      const to = pick([Infinity, from + 1, from + random(200), ...b.ids])
      const left = without(first, [[from, to]])
      const expectedLeft = a.ids.filter((id) => id < from || id >= to)
      t.same([...idsIn(left)], expectedLeft)
      t.equal(left.size, expectedLeft.length)
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
  },
)

t.test('a cache holds no more than it may, and what was used last', async (t) => {
  const state = { count: 1, last: 1 }
  const setOf = (entries: number): KeptSet => {
    const ids = Float64Array.of(1)
    const set = idSetOf([Int32Array.from({ length: 2 * entries }, (_, at) => at * 500)])
    return { ...state, rows: { ids, firsts: ids }, set }
  }
  const cache = createSetCache(3000, 1)
  for (const key of ['a', 'b']) cache.put(key, setOf(100))
  t.ok(cache.get('a', state))
  for (const key of ['c', 'd', 'e', 'f']) {
    cache.put(key, setOf(100))
    t.ok(cache.get('a', state))
    t.ok(cache.bytes <= 3000, `${cache.bytes} bytes`)
  }
  t.notOk(cache.get('b', state))
  cache.put('large', setOf(1000))
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
  const dialect = onMssql ? mssqlReads : sqliteReads
  const loaderOf = (setCache: SetCache) =>
    createLoader(
      { rows: runOn(database.reader), dialect, setCache },
      {
        cheapBlocks: pick([0, 100]),
        textsInBlock: pick([0, 3, 500]),
        fewTitles: pick([0, 500]),
        manyRows: pick([1, 3, 4000]),
      },
    )
  return { database, url, rows, write, loaderOf }
}

t.test('sets that are kept are never stale, whatever is written between searches', async (t) => {
  const { database, url, rows, write, loaderOf } = await open(t)
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
    const { keys } = await findTitles(loaderOf(createSetCache(0)), q)
    for (const cache of caches) {
      const found = await findTitles(loaderOf(cache), q)
      t.same([...found.keys].sort(), [...keys].sort(), q)
      const best = await findBest(loaderOf(cache), q, { count: 10 })
      if (best !== undefined && best.length > 0) t.same([...best], [...least(keys, 10)], q)
    }
  }
  t.ok(caches.every(({ bytes }) => bytes > 0))
})

t.test('a change is told by the number of rows, or by their greatest id', async (t) => {
  const { url, rows, write, loaderOf } = await open(t)
  /** A cache that forgets one of the two. */
  const careless = (forgotten: 'count' | 'last'): SetCache => {
    const cache = createSetCache(1_000_000, 1)
    return {
      ...cache,
      get: (word, state) => cache.get(word, { ...state, [forgotten]: 1 }),
      put: (word, set) => cache.put(word, { ...set, [forgotten]: 1 }),
    }
  }
  const kept = createSetCache(1_000_000, 1)
  const caches = [createSetCache(0), kept, careless('count'), careless('last')]
  const found = async () => {
    const all = await Promise.all(caches.map((cache) => findTitles(loaderOf(cache), 'red both')))
    return all.map(({ keys }) => keys.length)
  }
  const titles = Array.from({ length: 2000 }, (_, at) => `Red both ${at},TV,${random(900) / 100}`)
  await importCatalogue([`title,type,score\n${titles.join('\n')}`], openStage(url))
  // Blocks of 512, 512 and 976.
  t.same(await found(), [2000, 2000, 2000, 2000])
  const all = await rows()
  const middle = all.slice(512, 1024)
  const change = (row: (typeof all)[number], values: { title?: string; score?: number }) =>
    write(true, (trx) => updateAnime(trx, row, { ...valuesOf(row.title), ...values }))
  await write(true, async (trx) => {
    for (const row of middle.slice(1)) await updateAnime(trx, row, valuesOf('Blue both'))
  })
  t.same(await found(), [1489, 1489, 1489, 2000], 'a row for another, by the greatest id alone')
  await change(all[1500]!, { score: 1 })
  t.same(await found(), [1489, 1489, 1489, 2000])
  await change(middle[0]!, { title: 'Green both' })
  t.same(await found(), [1488, 1488, 1489, 1488], 'a row that only went, by their number alone')
  for (let round = 0; round < 30; round += 1) {
    const row = pick(await rows())
    await change(row, { title: pick(['Red', 'Both', 'Red both']) })
    const [fresh, same] = await found()
    t.equal(same, fresh)
  }
  t.ok(kept.bytes > 0)
})

t.test('the sets of frequent words are there before they are asked for', async (t) => {
  const { url, rows, write, loaderOf } = await open(t)
  const titles = Array.from({ length: 2500 }, (_, at) => `Red both ${at},TV,${random(900) / 100}`)
  await importCatalogue([`title,type,score\n${titles.join('\n')}`], openStage(url))
  const cache = createSetCache(1_000_000, 3)
  const { session } = loaderOf(cache)
  await prepareFrequent(session)
  t.same(cache.words(), ['both', 'red'], 'those of three blocks and more')
  const read: number[] = []
  const counting: SearchSession = {
    ...session,
    async rows(statement) {
      const found = await session.rows(statement)
      if (/^select a\.entries/.test(statement.texts.join('?'))) read.push(found.length)
      return found
    },
  }
  const found = async () => (await findTitles(createLoader(counting), 'both red 7')).keys.length
  const before = await found()
  t.same(read, [], 'no block is read')
  const other = (await rows()).find(({ title }) => title.endsWith(' 7'))!
  await write(true, (trx) => updateAnime(trx, other, valuesOf('Green')))
  t.equal(await found(), before - 1)
  t.same(read, [1, 1], 'after a write those that it changed')
  cache.want('both')
  cache.want('no such word')
  await write(true, (trx) => updateAnime(trx, other, valuesOf('Red both')))
  await makeWanted(session)
  t.notOk(cache.wants)
  t.same((await found()) && read, [1, 1, 1], 'one was made again before')
  const full = createSetCache(1000, 3)
  await prepareFrequent(loaderOf(full).session)
  t.ok(full.bytes <= 1000)
})

t.test('what is kept of words that begin so is kept for those words alone', async (t) => {
  const { database, write, loaderOf } = await open(t)
  for (const title of ['Raa', 'Rab', 'Rac']) {
    await write(true, (trx) => insertAnime(database, trx, valuesOf(title)))
  }
  const cache = createSetCache(1_000_000, 1)
  // The others are two in both cases, and one of them is the last of all.
  for (const word of ['rab', 'raa']) {
    const { session } = loaderOf({ ...cache, words: () => [word] })
    t.equal((await createLoader(session).set({ text: 'ra', cjk: false })).size, 3)
  }
  const { session } = loaderOf(cache)
  let loads = 0
  const counting: SearchSession = {
    ...session,
    rows(statement) {
      if (statement.texts[0]!.startsWith('select word, entries')) loads += 1
      return session.rows(statement)
    },
  }
  const sizes: number[] = []
  for (const text of ['ra', 'raa', 'ra', 'rab', 'ra']) {
    sizes.push((await createLoader(counting).set({ text, cjk: false })).size)
  }
  t.same([sizes, loads], [[3, 1, 3, 1, 3], 1], 'in whatever order they are used')
})
