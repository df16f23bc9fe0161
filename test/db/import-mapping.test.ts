import t from 'tap'
import { fileNames } from '../../catalogue/columns.ts'
import { RowError } from '../../db/import/cells.ts'
import type { ColumnOptions } from '../../db/import/file-columns.ts'
import { findColumns } from '../../db/import/find-columns.ts'
import { csvHeader } from '../../db/import/generate.ts'
import { rowCleaner } from '../../db/import/mapping.ts'
import { refused, taken } from './cleaning-cases.ts'

const cleaner = (header: readonly string[], options?: ColumnOptions) => {
  const clean = rowCleaner(findColumns(header, [], options))
  return (record: readonly string[]) => {
    const { line: _, ...row } = clean(record, 1)
    return row
  }
}
const clean = cleaner(csvHeader)
const strictly = cleaner(csvHeader, { strict: true })
type Cells = Partial<Record<(typeof csvHeader)[number], string>>
const record = (cells: Cells = {}) => {
  const plain: Cells = { animeID: '1', title: 'Trigun', year: '1998', episodes: '26', ...cells }
  return csvHeader.map((name) => plain[name] ?? '')
}
const cleaned = (cells: Cells) => clean(record(cells))
const parseGenres = (text: string): string[] => JSON.parse(cleaned({ genres: text }).genres)

t.test('every cell is cleaned as documented', async (t) => {
  const year: [string, number | null][] = [
    ['1998', 1998],
    ['1998.0', 1998],
    [' 2001 ', 2001],
    ['?', null],
    ['', null],
    ['Unknown', null],
    ['N/A', null],
  ]
  for (const [text, value] of year) t.equal(cleaned({ year: text }).year, value, `year "${text}"`)
  const episodes: [string, number | null][] = [
    ['12.0', 12],
    ['0', null],
    ['0.0', null],
    ['?', null],
  ]
  for (const [text, value] of episodes) {
    t.equal(cleaned({ episodes: text }).episodes, value, `episodes "${text}"`)
  }
  const score: [string, number | null][] = [
    ['8', 8],
    ['7.255', 7.26],
    ['10', 10],
    ['?', null],
    ['unknown', null],
  ]
  for (const [text, value] of score) t.equal(cleaned({ score: text }).score, value, `score ${text}`)
  t.equal(cleaned({ type: 'Movie' }).type, 'MOVIE')
  t.equal(cleaned({ type: '?' }).type, 'UNKNOWN')
  t.equal(cleaned({ title: '  Café 雪国, "Part 2" ' }).title, 'Café 雪国, "Part 2"')
  t.equal(cleaned({ title: 'x'.repeat(400) }).title.length, 400)
})

t.test('the score 10 of a title that has not aired is unknown', async (t) => {
  t.equal(cleaned({ score: '10', year: '?' }).score, null)
  t.equal(cleaned({ score: '10.0', episodes: '0' }).score, null)
  t.equal(cleaned({ score: '9.99', year: '?' }).score, 9.99)
})

t.test('genres are read from a Python list', async (t) => {
  const lists: [string, string[]][] = [
    [`['Action', "Coup d'etat"]`, ['Action', "Coup d'etat"]],
    [`['It\\'s']`, ["It's"]],
    ['[]', []],
    ['', []],
    ['?', []],
    ['Action', ['Action']],
    ['[Action]', ['Action']],
    [`['Action', 'Action' ,'Drama']`, ['Action', 'Drama']],
    [`['']`, []],
  ]
  for (const [text, genres] of lists) t.same(parseGenres(text), genres, text)
  t.equal(cleaned({ genres: `['A', 'B']` }).genres, '["A","B"]')
  for (const text of [`['A'x`, `['A', '']`, `['A', , 'B']`, `['${'x'.repeat(65)}']`, '[{}]']) {
    t.throws(() => parseGenres(text), { message: /name/, column: 'genres' }, text)
  }
})

t.test('genres are read with every escape of JSON and of Python', async (t) => {
  const lists: [string, string[]][] = [
    [String.raw`["Caf\u00e9", "Action"]`, ['Café', 'Action']],
    [String.raw`["\ud83d\ude00", "a\/b", "\t|\n"]`, ['😀', 'a/b', '|']],
    [String.raw`['Caf\xe9', 'Caf\351', 'Caf\u00e9', '\U0001f600']`, ['Café', '😀']],
    [
      String.raw`['it\'s', "say \"hi\"", 'back\\slash', 'a\tb', 'c\d']`,
      ["it's", 'say "hi"', 'back\\slash', 'a\tb', 'c\\d'],
    ],
    [`[u'Action', "Coup d'etat"]`, ['Action', "Coup d'etat"]],
  ]
  for (const [text, genres] of lists) t.same(parseGenres(text), genres, text)
  for (const text of [
    String.raw`['\u12']`,
    String.raw`["\ud83d"]`,
    String.raw`['\N{BULLET}']`,
    String.raw`["\u0000"]`,
  ]) {
    t.throws(() => parseGenres(text), { name: 'Error', column: 'genres' }, text)
  }
})

t.test('genres are read in all the ways in which people write a list', async (t) => {
  const lists: [string, string[]][] = [
    ['Action|Drama|Sci-Fi', ['Action', 'Drama', 'Sci-Fi']],
    ['Action; Drama', ['Action', 'Drama']],
    ["Action, Girls' Love", ['Action', "Girls' Love"]],
    ['Drama / Mystery', ['Drama', 'Mystery']],
    ['Drama、Mystery', ['Drama', 'Mystery']],
    ['Sci-Fi/Fantasy, Drama', ['Sci-Fi/Fantasy', 'Drama']],
    ['ActionAction,Slice of LifeSlice of Life', ['Action', 'Slice of Life']],
    ['None found, add some', []],
    ['None', []],
    ['Action, None', ['Action']],
    [`['A' 'B']`, ['A', 'B']],
    [`[{'name': 'Action', 'slug': 'action'}, {'name': "Girls' Love"}]`, ['Action', "Girls' Love"]],
    ['[{"id": 1, "name": "Action"}]', ['Action']],
    ['Girls&#039; Love, Salt &amp; Star', ["Girls' Love", 'Salt & Star']],
    ['{Action,"Slice of Life"}', ['Action', 'Slice of Life']],
    ['{}', []],
    ['Action · Sci-Fi/Fantasy', ['Action', 'Sci-Fi/Fantasy']],
    ['Action • Drama', ['Action', 'Drama']],
    ['Action\r\nDrama', ['Action', 'Drama']],
    ['动作；冒险', ['动作', '冒险']],
  ]
  for (const [text, genres] of lists) t.same(parseGenres(text), genres, text)
})

t.test('a cell that cannot be taken is named, with what was wrong', async (t) => {
  const cells: [Cells, string, RegExp][] = [
    [{ animeID: 'x' }, 'animeID', /whole number/],
    [{ animeID: '-1' }, 'animeID', /whole number/],
    [{ animeID: '99999999999999999999' }, 'animeID', /whole number/],
    [{ title: ' ' }, 'title', /missing/],
    [{ title: 'x'.repeat(401) }, 'title', /longer than 400/],
    [{ title: 'Caf\uFFFD' }, 'title', /not UTF-8/],
    [{ title: 'Nu\0l' }, 'title', /U\+0000/],
    [{ type: 'Podcast' }, 'type', /not one of TV, MOVIE/],
    [{ year: '1899' }, 'year', /1900 to 2100/],
    [{ year: '1998.5' }, 'year', /whole number/],
    [{ score: '10.01' }, 'score', /0 to 10/],
    [{ score: '84 %' }, 'score', /not a number .*--scale/],
    [{ score: 'nine' }, 'score', /not a number/],
    [{ score: '1e400' }, 'score', /not a number/],
    [{ episodes: '100001' }, 'episodes', /whole number/],
    [{ genres: `['A\uFFFD']` }, 'genres', /not UTF-8/],
    [{ genres: `['A\0']` }, 'genres', /U\+0000/],
  ]
  for (const [cell, column, reason] of cells) {
    t.throws(() => cleaned(cell), { column, message: reason, value: Object.values(cell)[0] })
  }
})

t.test('strictly, each text is taken, or refused, as the table of cases says', async (t) => {
  const cleanRaw = cleaner(Object.values(fileNames), { strict: true })
  for (const [raw, row] of taken) t.strictSame(Object.values(cleanRaw(raw)), row, raw[1])
  for (const [raw, column] of refused) t.throws(() => cleanRaw(raw), { message: /./, column })
})

t.test('cells are read as people write them', async (t) => {
  const cells: [
    keyof Cells & ('year' | 'score' | 'episodes' | 'type' | 'title'),
    string,
    unknown,
  ][] = [
    ['year', 'Oct 4, 2015 to Mar 27, 2016', 2015],
    ['year', 'Sep 2023 -', 2023],
    ['year', 'Fall 2023', 2023],
    ['year', '31.03.2023', 2023],
    ['year', '1998年10月23日', 1998],
    ['year', "['1998年10月23日']", 1998],
    ['year', '1998-01-08T00:00:00+00:00', 1998],
    ['year', '20130405', 2013],
    ['year', '8-Jan-21', 2021],
    ['year', '12-Jan-69', 1969],
    ['year', 'Jan-98', 1998],
    ['year', '01/02/99', 1999],
    ['year', 'TBA', null],
    ['year', 'Not available', null],
    ['score', '8,75', 8.75],
    ['score', '8.75/10', 8.75],
    ['score', '4.2/5', 8.4],
    ['score', '87 / 100', 8.7],
    ['score', '8.0399999999999991', 8.04],
    ['score', '0.0', null],
    ['score', '--', null],
    ['episodes', '12 eps', 12],
    ['episodes', '全12話', 12],
    ['episodes', '1,234', 1234],
    ['episodes', '1 234 episodes', 1234],
    ['episodes', 'Ongoing', null],
    ['type', 'TV Special', 'SPECIAL'],
    ['type', 'tv_special', 'SPECIAL'],
    ['type', 'TV_SHORT', 'TV'],
    ['type', 'PV', 'UNKNOWN'],
    ['type', 'Película', 'MOVIE'],
    ['type', '劇場版', 'MOVIE'],
    ['title', 'Salt &amp; Star &#039;', "Salt & Star '"],
  ]
  for (const [column, text, value] of cells) {
    t.equal(cleaned({ [column]: text })[column], value, `${column} "${text}"`)
  }
  const outOf = (scale: number, score: string) =>
    cleaner(csvHeader, { scale })(record({ score })).score
  t.equal(outOf(100, '84.17%'), 8.42)
  t.equal(outOf(100, '87'), 8.7)
  t.equal(outOf(10, '9.08%'), 9.08)
  t.equal(outOf(5, '4.3'), 8.6)
  t.equal(outOf(5, '8.7/10'), 8.7, 'what a cell says itself comes first')
})

t.test('strictly, columns and cells are those of the catalogue', async (t) => {
  const header = ['genres', 'extra', 'EPISODES', 'score', 'year', ' type ', 'title', 'animeid']
  const row = cleaner(header, { strict: true })([
    '[]',
    'x',
    '1',
    '0',
    '2000',
    'TV',
    'A &amp; B',
    '7',
  ])
  t.match(row, { source_id: 7, title: 'A &amp; B', type: 'TV', year: 2000, score: 0, episodes: 1 })
  t.throws(() => cleaner(['animeID', 'title'], { strict: true }), {
    message: /no column type, year, score, episodes, genres; it has "animeID", "title"/,
  })
  t.throws(() => cleaner([...csvHeader, 'Title'], { strict: true }), /column title stands twice/)
  for (const genres of [String.raw`['Caf\u00e9']`, `['A' 'B']`, "[Girls' Love]", "['A'"]) {
    t.throws(() => strictly(record({ genres })), { name: 'Error', column: 'genres' }, genres)
  }
  t.equal(strictly(record({ genres: 'A|B' })).genres, '["A|B"]')
  t.throws(() => strictly(record({ animeID: '' })), { name: 'Error', column: 'animeID' })
})

t.test('no text makes the cleaner throw anything but RowError', async (t) => {
  const parts = [
    "'",
    '"',
    '\\',
    ',',
    '[',
    ']',
    ' ',
    '\n',
    'A',
    '雪',
    '0',
    '.',
    '-',
    '?',
    '\0',
    '\uD800',
  ]
  let state = 7
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  const text = () => Array.from({ length: random(20) }, () => parts[random(parts.length)]).join('')
  const outcomes = { taken: 0, refused: 0 }
  const attempt = (work: () => unknown) => {
    try {
      work()
      outcomes.taken += 1
    } catch (error) {
      if (!(error instanceof RowError)) throw error
      outcomes.refused += 1
    }
  }
  for (let round = 0; round < 10_000; round += 1) {
    attempt(() => parseGenres(text()))
    attempt(() => clean(record().map((cell) => (random(20) === 0 ? text() : cell))))
  }
  t.ok(outcomes.taken > 1000 && outcomes.refused > 1000, 'both happen often', outcomes)
})

t.test('a megabyte of white space or quotes in a list takes no time', async (t) => {
  const started = performance.now()
  for (const fill of [' ', "'", '\\', "' ", 'a ', '{', '{"name":', ', ', '|']) {
    for (const end of ['"', 'x', "'", '']) {
      try {
        parseGenres(`['A',${fill.repeat(500_000)}${end}`)
      } catch (error) {
        if (!(error instanceof RowError)) throw error
      }
    }
  }
  t.ok(performance.now() - started < 10_000)
})
