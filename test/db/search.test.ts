import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { deleteAnime, insertAnime, updateAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { isOneOff, wordsOneOff } from '../../db/search/one-off.ts'
import { runOn } from '../../db/search/rows.ts'
import { combinations } from '../../db/search/search.ts'
import { newDatabase, onMssql } from '../support/app.ts'
import { seeded } from '../support/catalogue.ts'
import { finished, readList } from '../support/reads.ts'

/** Titles with their scores. */
const titles: [title: string, score: number | null][] = [
  ['Naruto', 8.0],
  ['Naruto: Shippuuden', 8.2],
  ['The Last: Naruto the Movie', 7.8],
  ['Boruto: Naruto the Movie', 7.4],
  ['Boruto: Naruto Next Generations', 6.0],
  ['Pokemon', 7.4],
  ['Pokémon the Movie 2000', 7.1],
  ['Pokémon Journeys', null],
  ['Steins;Gate', 9.1],
  ['Steins;Gate 0', 8.5],
  ['Gate', 7.6],
  ['Fullmetal Alchemist', 8.1],
  ['Fullmetal Alchemist: Brotherhood', 9.1],
  ['Full Metal Panic!', 7.6],
  ['Full Metal Panic? Fumoffu', 8.0],
  ['Spice and Wolf', 8.2],
  ['Spice & Wolf II', 8.3],
  ['Wolf Children', 8.6],
  ["Wolf's Rain", 7.8],
  ['K-On!', 7.8],
  ['K-On!!', 8.1],
  ['D.Gray-man', 8.0],
  ['Re:ZERO -Starting Life in Another World-', 8.2],
  ['Zero no Tsukaima', 7.3],
  ['Fate/Zero', 8.3],
  ['Fate/stay night', 7.3],
  ['Hunter x Hunter', 9.0],
  ['Hunter x Hunter (2011)', 9.0],
  ['進撃の巨人', 8.5],
  ['新世紀エヴァンゲリオン', 8.3],
  ['Neon Genesis Evangelion', 8.3],
  ['スパイ・ファミリー', 8.5],
  ['ＦＬＣＬ', 8.0],
  ['C³', 6.9],
  ['Étoile', 6.0],
  ['"0"', 5.5],
  ['!NVADE', 5.4],
  ['Code Geass: Lelouch of the Rebellion', 8.7],
  ['Lelouch', null],
  ['JoJo no Kimyou na Bouken', 8.1],
  ["JoJo's Bizarre Adventure", 7.9],
  ['One Piece', 8.7],
  ['One Punch Man', 8.5],
  ['One: Kagayaku Kisetsu e', 5.9],
  ['.hack//Sign', 7.0],
  ['Straße nach Süden', 6.1],
  ['각시탈', 6.2],
  ['ガンダム', 7.7],
  ['カンタ', 6.3],
  ['Death Note', 8.6],
  ['Death Parade', 8.2],
  ['Death Note: Rewrite', 7.7],
  ['☆', 5.0],
]

/** What is searched, and the titles it finds, the best first; after `=`, what was searched instead. */
const queries: [q: string, ...found: string[]][] = [
  // Words, in any order, as they begin.
  [
    'naruto',
    'Naruto',
    'Naruto: Shippuuden',
    'The Last: Naruto the Movie',
    'Boruto: Naruto the Movie',
    'Boruto: Naruto Next Generations',
  ],
  [
    'NARUTO',
    'Naruto',
    'Naruto: Shippuuden',
    'The Last: Naruto the Movie',
    'Boruto: Naruto the Movie',
    'Boruto: Naruto Next Generations',
  ],
  [
    'naru',
    'Naruto: Shippuuden',
    'Naruto',
    'The Last: Naruto the Movie',
    'Boruto: Naruto the Movie',
    'Boruto: Naruto Next Generations',
  ],
  ['naruto movie', 'The Last: Naruto the Movie', 'Boruto: Naruto the Movie'],
  ['movie naruto', 'The Last: Naruto the Movie', 'Boruto: Naruto the Movie'],
  ['naruto the m', 'The Last: Naruto the Movie', 'Boruto: Naruto the Movie'],
  ['boruto naruto the movie', 'Boruto: Naruto the Movie'],
  ['naruto, shippuuden?', 'Naruto: Shippuuden'],
  ['naruto ship', 'Naruto: Shippuuden'],
  ['uto'],
  ['ruto naruto'],
  ['next gen', 'Boruto: Naruto Next Generations'],
  [
    'the',
    'The Last: Naruto the Movie',
    'Code Geass: Lelouch of the Rebellion',
    'Boruto: Naruto the Movie',
    'Pokémon the Movie 2000',
  ],
  ['the last', 'The Last: Naruto the Movie'],
  ['last the', 'The Last: Naruto the Movie'],
  ['wolf', 'Wolf Children', "Wolf's Rain", 'Spice & Wolf II', 'Spice and Wolf'],
  ['one', 'One Piece', 'One Punch Man', 'One: Kagayaku Kisetsu e'],
  ['one p', 'One Piece', 'One Punch Man'],
  ['one piece', 'One Piece'],
  ['piece one', 'One Piece'],
  ['on', 'One Piece', 'One Punch Man', 'One: Kagayaku Kisetsu e', 'K-On!!', 'K-On!'],
  ['death', 'Death Note', 'Death Parade', 'Death Note: Rewrite'],
  ['death note', 'Death Note', 'Death Note: Rewrite'],
  ['note death', 'Death Note', 'Death Note: Rewrite'],
  ['death n', 'Death Note', 'Death Note: Rewrite'],
  ['death death', 'Death Note', 'Death Parade', 'Death Note: Rewrite'],
  ['rewrite death', 'Death Note: Rewrite'],
  ['lelouch', 'Lelouch', 'Code Geass: Lelouch of the Rebellion'],
  ['code geass lelouch of the rebellion', 'Code Geass: Lelouch of the Rebellion'],
  ['rebellion of lelouch', 'Code Geass: Lelouch of the Rebellion'],
  ['hunter', 'Hunter x Hunter', 'Hunter x Hunter (2011)'],
  ['hunter x hunter', 'Hunter x Hunter', 'Hunter x Hunter (2011)'],
  ['hunter hunter', 'Hunter x Hunter', 'Hunter x Hunter (2011)'],
  ['hunter 2011', 'Hunter x Hunter (2011)'],
  ['20', 'Hunter x Hunter (2011)', 'Pokémon the Movie 2000'],
  ['x', 'Hunter x Hunter', 'Hunter x Hunter (2011)'],
  [
    'full',
    'Fullmetal Alchemist: Brotherhood',
    'Fullmetal Alchemist',
    'Full Metal Panic? Fumoffu',
    'Full Metal Panic!',
  ],
  ['full metal', 'Full Metal Panic? Fumoffu', 'Full Metal Panic!'],
  ['fullmetal', 'Fullmetal Alchemist: Brotherhood', 'Fullmetal Alchemist'],
  ['panic metal full', 'Full Metal Panic? Fumoffu', 'Full Metal Panic!'],
  ['alchemist', 'Fullmetal Alchemist: Brotherhood', 'Fullmetal Alchemist'],
  ['fullmetal alchemist', 'Fullmetal Alchemist', 'Fullmetal Alchemist: Brotherhood'],
  // Accents, width, letters that a keyboard lacks.
  ['pokemon', 'Pokemon', 'Pokémon the Movie 2000', 'Pokémon Journeys'],
  ['pokémon', 'Pokemon', 'Pokémon the Movie 2000', 'Pokémon Journeys'],
  ['POKE\u0301MON', 'Pokemon', 'Pokémon the Movie 2000', 'Pokémon Journeys'],
  ['pokemon movie', 'Pokémon the Movie 2000'],
  ['etoile', 'Étoile'],
  ['ÉTO', 'Étoile'],
  ['strasse', 'Straße nach Süden'],
  ['straße suden', 'Straße nach Süden'],
  ['flcl', 'ＦＬＣＬ'],
  ['ｎａｒｕｔｏ ｓｈｉｐ', 'Naruto: Shippuuden'],
  ['c3', 'C³'],
  // Punctuation.
  ['steins gate', 'Steins;Gate', 'Steins;Gate 0'],
  ['steins;gate', 'Steins;Gate', 'Steins;Gate 0'],
  ['steinsgate', 'Steins;Gate', 'Steins;Gate 0'],
  ['steinsg', 'Steins;Gate', 'Steins;Gate 0'],
  ['gate', 'Gate', 'Steins;Gate', 'Steins;Gate 0'],
  ['steins gate 0', 'Steins;Gate 0'],
  ['spice and wolf', 'Spice and Wolf', 'Spice & Wolf II'],
  ['spice & wolf', 'Spice and Wolf', 'Spice & Wolf II'],
  ['wolf & spice', 'Spice & Wolf II', 'Spice and Wolf'],
  ['spice wolf ii', 'Spice & Wolf II'],
  ['k-on', 'K-On!!', 'K-On!', 'One: Kagayaku Kisetsu e'],
  ['kon', 'K-On!!', 'K-On!'],
  ['dgray', 'D.Gray-man'],
  ['gray man', 'D.Gray-man'],
  ['grayman', 'D.Gray-man'],
  ['rezero', 'Re:ZERO -Starting Life in Another World-'],
  ['zero', 'Zero no Tsukaima', 'Fate/Zero', 'Re:ZERO -Starting Life in Another World-'],
  ['fate', 'Fate/Zero', 'Fate/stay night'],
  ['fatezero', 'Fate/Zero'],
  ['hacksign', '.hack//Sign'],
  ['"0"', '"0"', 'Steins;Gate 0'],
  ['nvade', '!NVADE'],
  ['jojo', 'JoJo no Kimyou na Bouken', "JoJo's Bizarre Adventure"],
  ["jojo's", "JoJo's Bizarre Adventure"],
  ['jojos bizarre', "JoJo's Bizarre Adventure"],
  // Chinese, Japanese, Korean.
  ['巨人', '進撃の巨人'],
  ['撃の巨', '進撃の巨人'],
  ['進撃の巨人', '進撃の巨人'],
  ['人', '進撃の巨人'],
  ['巨の'],
  ['エヴァ', '新世紀エヴァンゲリオン'],
  ['ファミリー', 'スパイ・ファミリー'],
  ['スパイファミリー', 'スパイ・ファミリー'],
  ['スパイ ファミ', 'スパイ・ファミリー'],
  ['시탈', '각시탈'],
  ['ｶﾞﾝﾀﾞﾑ', 'ガンダム'],
  ['カン', 'カンタ'],
  // One letter off, when nothing matches.
  [
    'narutoo',
    '=naruto',
    'Naruto',
    'Naruto: Shippuuden',
    'The Last: Naruto the Movie',
    'Boruto: Naruto the Movie',
    'Boruto: Naruto Next Generations',
  ],
  [
    'nauto',
    '=naruto',
    'Naruto',
    'Naruto: Shippuuden',
    'The Last: Naruto the Movie',
    'Boruto: Naruto the Movie',
    'Boruto: Naruto Next Generations',
  ],
  ['nraut'],
  ['pokemno', '=pokemon', 'Pokemon', 'Pokémon the Movie 2000', 'Pokémon Journeys'],
  ['evangeleon', '=evangelion', 'Neon Genesis Evangelion'],
  ['evangeleon neon', '=evangelion neon', 'Neon Genesis Evangelion'],
  ['spicy wolf', '=spice wolf', 'Spice & Wolf II', 'Spice and Wolf'],
  ['deaht note', '=death note', 'Death Note', 'Death Note: Rewrite'],
  ['deaht noet'],
  ['steinsgatte', '=steinsgate', 'Steins;Gate', 'Steins;Gate 0'],
  ['gatt'],
  ['zzzzzzz'],
]

const json = (genres: string[]) => JSON.stringify(genres)

async function open(t: Test): Promise<Database & { url: string }> {
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(database)
  return { ...database, url }
}

const valuesOf = ([title, score]: [string, number | null]) => ({
  title,
  score,
  type: 'TV',
  year: 2001,
  episodes: 12,
  genres: json(['Drama']),
})

async function search(database: Database, q: string) {
  const { read } = database
  const query = { filters: { q }, sort: [], bestFirst: true, limit: 100 }
  const answer = finished(await read({ what: 'list', query, columns: ['title'] }))
  const { data, total, corrected } = JSON.parse(new TextDecoder().decode(answer.body))
  const found = data.map(({ title }: { title: string }) => title)
  if (total !== found.length) throw new Error(`${q}: a total of ${total} for ${found.length}`)
  return corrected === undefined ? found : [`=${corrected}`, ...found]
}

const csv = (rows: [string, number | null][]) =>
  `animeID,title,type,year,score,episodes,genres\n${rows
    .map(
      ([title, score], id) =>
        `${id + 1},"${title.replaceAll('"', '""')}",TV,2001,${score ?? ''},12,"['Drama']"`,
    )
    .join('\n')}\n`

t.test('what people type finds what they mean, the best first', async (t) => {
  const database = await open(t)
  await database.writer.transaction().execute(async (trx) => {
    for (const title of titles) await insertAnime(database, trx, valuesOf(title))
  })
  t.ok(queries.length >= 80)
  for (const [q, ...found] of queries) t.same(await search(database, q), found, q)
})

t.test(
  'an import gives the same words as writes do, and so does one over other titles',
  async (t) => {
    const database = await open(t)
    const load = (rows: [string, number | null][], replace = false) =>
      importCatalogue([csv(rows)], openStage(database.url), { replace })
    const others = titles.map(([title, score], at): [string, number | null] =>
      at % 3 === 0 ? [`Zzz ${title}`, 1] : [title, at % 3 === 1 ? 2 : score],
    )
    await load([...others, ['Naruto, too much', 3]])
    t.same(await search(database, 'much'), ['Naruto, too much'])
    await load(titles, true)
    t.same(await search(database, 'much'), [])
    for (const [q, ...found] of queries) t.same(await search(database, q), found, q)
    const again = await load(titles)
    t.equal(again.changed + again.added, 0)
  },
)

t.test('words that are one letter off are told from all others', async (t) => {
  const random = seeded(17)
  const letters = ['a', 'b', 'c', '𝔞']
  const wordOf = () => Array.from({ length: 1 + random(6) }, () => letters[random(4)]!)
  /** Every word that one change makes of another. */
  const changesOf = (word: string[]) => {
    const made = new Set<string>()
    for (let at = 0; at <= word.length; at += 1) {
      for (const letter of letters) {
        made.add(word.toSpliced(at, 0, letter).join(''))
        if (at < word.length) made.add(word.with(at, letter).join(''))
      }
      if (at < word.length) made.add(word.toSpliced(at, 1).join(''))
      if (at + 1 < word.length) {
        made.add(word.toSpliced(at, 2, word[at + 1]!, word[at]!).join(''))
      }
    }
    made.delete(word.join(''))
    return made
  }
  let off = 0
  for (let round = 0; round < 3000; round += 1) {
    const word = wordOf()
    const changes = [...changesOf(word)]
    const other = random(2) === 0 ? wordOf().join('') : changes[random(changes.length)]!
    const expected = changes.includes(other)
    if (expected) off += 1
    if (isOneOff(word.join(''), other) !== expected) t.fail(`${word.join('')} and ${other}`)
  }
  t.ok(off > 1000 && off < 2500, `${off} of 3000`)
})

t.test('all words that are one letter off are found', async (t) => {
  const database = await open(t)
  const random = seeded(19)
  const letters = ['a', 'b', '𐌰']
  const wordOf = () => Array.from({ length: 5 + random(4) }, () => letters[random(3)]!).join('')
  const words = [...new Set(Array.from({ length: 1500 }, wordOf))].sort()
  await importCatalogue([csv(words.map((word) => [word, null]))], openStage(database.url))
  let found = 0
  for (let round = 0; round < 200; round += 1) {
    const word = wordOf()
    const expected = words.filter((each) => isOneOff(word, each))
    found += expected.length
    t.same(await wordsOneOff(runOn(database.reader), word), expected)
  }
  t.ok(found > 500, `${found} were found`)
})

t.test('a write is searched as soon as it is done', async (t) => {
  const database = await open(t)
  const write = <T>(work: (trx: Parameters<typeof updateAnime>[0]) => Promise<T>) =>
    database.writer.transaction().execute(work)
  const row = await write((trx) => insertAnime(database, trx, valuesOf(['Silver Spoon', 8])))
  const other = await write((trx) => insertAnime(database, trx, valuesOf(['Silver Fang', 7])))
  t.same(await search(database, 'silver'), ['Silver Spoon', 'Silver Fang'])
  await write((trx) => updateAnime(trx, other, { score: 9 }))
  t.same(await search(database, 'silver'), ['Silver Fang', 'Silver Spoon'])
  const renamed = await write((trx) => updateAnime(trx, row, { title: 'Golden Spoon' }))
  t.same(await search(database, 'silver'), ['Silver Fang'])
  t.same(await search(database, 'spoon'), ['Golden Spoon'])
  await write((trx) => deleteAnime(trx, renamed))
  t.same(await search(database, 'spoon'), [])
  const words = await database.reader.selectFrom('search_words').select('word').execute()
  t.same(
    words.map(({ word }) => word).sort(),
    ['fang', 'silver'],
    'no word is left without a title',
  )
})

t.test('words that no title has together find nothing, whatever a third one finds', async (t) => {
  const database = await open(t)
  const many = Array.from({ length: 30 }, (_, at): [string, number] => [`Wolf w${at}`, 5])
  await importCatalogue(
    [csv([['Left Wing', 7], ['Right Wing', 6], ...many])],
    openStage(database.url),
  )
  t.same(await search(database, 'left right w'), [])
  t.same(await search(database, 'left w'), ['Left Wing'])
})

t.test(
  'words of thousands of titles: many blocks, changed at random, find what a look at each finds',
  async (t) => {
    const database = await open(t)
    const random = seeded(11)
    const names = ['red', 'blue', 'green', 'the']
    const titleOf = () => Array.from({ length: 1 + random(3) }, () => names[random(4)]).join(' ')
    const rows = Array.from({ length: 5000 }, (): [string, number | null] => [
      titleOf(),
      random(900) / 100 + 0.5,
    ])
    await importCatalogue([csv(rows)], openStage(database.url))
    const blocks = await database.reader.selectFrom('search_words').select('word').execute()
    t.ok(blocks.length > names.length, 'a word has several blocks')
    const columns = ['id', 'title', 'type', 'year', 'score', 'episodes', 'genres'] as const
    const all = await database.reader.selectFrom('animes').select(columns).orderBy('id').execute()
    const byId = new Map(all.map((row) => [row.id, row]))
    await database.writer.transaction().execute(async (trx) => {
      for (let round = 0; round < 60; round += 1) {
        const row = byId.get(1 + random(5000))
        if (row === undefined) continue
        if (random(3) === 0) {
          await deleteAnime(trx, row)
          byId.delete(row.id)
        } else byId.set(row.id, await updateAnime(trx, row, { title: titleOf() }))
      }
      for (let round = 0; round < 10; round += 1) {
        const row = await insertAnime(database, trx, valuesOf([titleOf(), 5]))
        byId.set(row.id, row)
      }
    })
    for (const q of ['red', 'b', 'the red', 'green the b', 'red red']) {
      const expected = [...byId.values()].filter(({ title }) =>
        q.split(' ').every((word) => title.split(' ').some((each) => each.startsWith(word))),
      )
      const { total, data } = await readList(database, { filters: { q }, sort: [] })
      t.equal(total, expected.length, q)
      t.same(
        data.map(({ id }) => id),
        expected.map(({ id }) => id).sort((a, b) => a - b),
      )
    }
  },
)

t.test(
  'pages, sorts and filters go with a search, and suggestions are its first titles',
  async (t) => {
    const database = await open(t)
    const random = seeded(3)
    const rows = Array.from({ length: 700 }, (_, at): [string, number | null] => [
      `${random(3) === 0 ? 'Blue ' : ''}Wave ${at % 40}`,
      random(4) === 0 ? null : random(9) + 1,
    ])
    await importCatalogue([csv(rows)], openStage(database.url))
    const whole = await readList(database, { filters: { q: 'wave' }, sort: [], bestFirst: true })
    t.equal(whole.total, 700)
    const seen: number[] = []
    let cursor: (string | number | null)[] | undefined
    do {
      const query = { filters: { q: 'wave' }, sort: [], bestFirst: true, limit: 97, cursor }
      const page = await readList(database, query)
      seen.push(...page.data.map(({ id }) => id))
      t.equal(page.total, 700)
      cursor = page.cursor
    } while (cursor !== undefined)
    t.same(
      seen,
      whole.data.map(({ id }) => id),
      'pages show each title once',
    )
    const filtered = await readList(database, {
      filters: { q: 'blue wav', minScore: 5 },
      sort: [{ column: 'title', descending: true }],
      limit: 5,
    })
    const expected = whole.data.filter(
      ({ title, score }) => title.startsWith('Blue') && (score ?? 0) >= 5,
    )
    t.equal(filtered.total, expected.length)
    t.equal(filtered.data.length, 5)
    for (const q of ['wave', 'wa', 'b', 'blue wave', 'wve 1']) {
      const suggested = finished(await database.read({ what: 'suggest', q }))
      const { data } = JSON.parse(new TextDecoder().decode(suggested.body))
      const best = await readList(database, {
        filters: { q },
        sort: [],
        bestFirst: true,
        limit: 10,
      })
      t.same(
        data,
        best.data.map(({ id, title, type, year }) => ({ id, title, type, year })),
        q,
      )
    }
  },
)

t.test(
  'a migration gives words to the titles that are there',
  { skip: onMssql && 'SQLite only' },
  async (t) => {
    const database = await open(t)
    const past = new DatabaseSync(database.url.slice('sqlite:'.length))
    t.teardown(() => past.close())
    past.exec(`
    drop table search_words;
    drop index animes_sort_title;
    alter table animes drop column sort_title;
    create index animes_title on animes (title, id);
    delete from kysely_migration where name in ('0008-search', '0009-title-scores')`)
    const add = past.prepare(
      "insert into animes (title, type, score, genres) values (?, 'TV', ?, '[]')",
    )
    for (const [title, score] of titles) add.run(title, score)
    for (let more = 0; more < 2500; more += 1) add.run('Qqqqq', null)
    t.same(await migrate(database), ['0008-search', '0009-title-scores'])
    for (const [q, ...found] of queries) t.same(await search(database, q), found, q)
    const sorted = await readList(database, {
      filters: {},
      sort: [{ column: 'title', descending: false }],
    })
    const names = sorted.data
      .map(({ title }) => title)
      .filter((title) => !title.startsWith('Qqqqq'))
    t.same(names.slice(0, 4), [
      '☆',
      '"0"',
      'Boruto: Naruto Next Generations',
      'Boruto: Naruto the Movie',
    ])
    t.ok(names.indexOf('Étoile') < names.indexOf('Fate/stay night'))
    t.ok(names.indexOf('Neon Genesis Evangelion') < names.indexOf('!NVADE'))
  },
)

t.test(
  'other words are tried without a step in vain, wherever the unknown words stand',
  async (t) => {
    let steps = 0
    const word = (text: string) => ({ text, cjk: false, exact: true })
    const choice = (own: string | undefined) => ({
      own: own === undefined ? undefined : word(own),
      get others() {
        steps += 1
        if (steps > 400_000) throw new Error('too many steps')
        return ['a', 'b', 'c', 'd', 'e'].map(word)
      },
    })
    const known = Array.from({ length: 20 }, (_, at) => choice(`known${at}`))
    const unknown = [undefined, undefined, undefined].map(choice)
    for (const choices of [
      [...known, ...unknown],
      [...unknown, ...known],
    ]) {
      for (const changes of [3, 4, 23]) {
        steps = 0
        const tried = combinations(choices, changes).take(100).toArray()
        t.equal(new Set(tried.map((each) => each.map(({ text }) => text).join(' '))).size, 100)
        for (const each of tried) {
          t.equal(each.filter(({ text }) => text.startsWith('known')).length, 23 - changes)
        }
      }
    }
    t.equal([...combinations([choice('x'), choice(undefined)], 1)].length, 5)
    t.equal([...combinations([choice('x'), choice(undefined)], 2)].length, 25)
    t.strictSame([...combinations([choice('x'), choice(undefined)], 0)], [])
  },
)
