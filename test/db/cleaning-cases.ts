import { csvHeader } from '../../db/import/generate.ts'

/*
 * How a file's texts are cleaned, for the importer (db/import/mapping.ts) and for Data Factory's rows on
 * SQL Server (db/migrations/0005-merge/import_animes.sql) alike.
 */

/** The texts of one row, in the order of the columns. */
export type Raw = [
  id: string,
  title: string,
  type: string,
  year: string,
  score: string,
  episodes: string,
  genres: string,
]

type Clean = [
  id: number,
  title: string,
  type: string,
  year: number | null,
  score: number | null,
  episodes: number | null,
  genres: string,
]

const names = (count: number) => Array.from({ length: count }, (_, at) => `g${at}`)
const list = (count: number) =>
  `[${names(count)
    .map((name) => `'${name}'`)
    .join(', ')}]`

/** Texts that are taken, and as what. */
export const taken: [Raw, Clean][] = [
  [
    ['1', ' Cowboy Bebop\t', 'tv', '1998', '8.75', '26', "['Action', 'Sci-Fi']"],
    [1, 'Cowboy Bebop', 'TV', 1998, 8.75, 26, '["Action","Sci-Fi"]'],
  ],
  [
    ['2', 'All unknown', '?', '?', '?', '?', '?'],
    [2, 'All unknown', 'UNKNOWN', null, null, null, '[]'],
  ],
  [
    ['3', 'All empty', '', '', '', '', ''],
    [3, 'All empty', 'UNKNOWN', null, null, null, '[]'],
  ],
  [
    ['4', 'Words for unknown', 'UnKnown', 'NaN', 'none', 'N/A', 'null'],
    [4, 'Words for unknown', 'UNKNOWN', null, null, null, '[]'],
  ],
  [
    ['005.0', 'Decimals', 'Movie', '2001.00', '7', '12.0', '[]'],
    [5, 'Decimals', 'MOVIE', 2001, 7, 12, '[]'],
  ],
  [
    ['-0', 'Nothing below nothing', 'OVA', '2001', '7.0', '00.00', '[ ]'],
    [0, 'Nothing below nothing', 'OVA', 2001, 7, null, '[]'],
  ],
  [
    ['7', 'Unaired, no year', 'TV', '?', '10', '12', "['Drama']"],
    [7, 'Unaired, no year', 'TV', null, null, 12, '["Drama"]'],
  ],
  [
    ['8', 'Unaired, no episodes', 'TV', '2030', '10.0', '0', "['Drama']"],
    [8, 'Unaired, no episodes', 'TV', 2030, null, null, '["Drama"]'],
  ],
  [
    ['9', 'Aired with a ten', 'TV', '2010', '10', '12', "['Drama']"],
    [9, 'Aired with a ten', 'TV', 2010, 10, 12, '["Drama"]'],
  ],
  [
    ['10', 'Half a hundredth, in binary', 'TV', '2010', '1.005', '12', "['Drama']"],
    [10, 'Half a hundredth, in binary', 'TV', 2010, 1, 12, '["Drama"]'],
  ],
  [
    ['11', 'Half a hundredth', 'TV', '2010', '7.125', '12', "['Drama']"],
    [11, 'Half a hundredth', 'TV', 2010, 7.13, 12, '["Drama"]'],
  ],
  [
    ['12', 'A long score', 'TV', '2010', '6.66666666666666666666', '100000', "['Drama']"],
    [12, 'A long score', 'TV', 2010, 6.67, 100000, '["Drama"]'],
  ],
  [
    ['13', '進撃の巨人 😀 Café É', 'ONA', '1900', '0', '1', "['進撃', \"Coup d'etat\"]"],
    [13, '進撃の巨人 😀 Café É', 'ONA', 1900, 0, 1, '["進撃","Coup d\'etat"]'],
  ],
  [
    [
      '14',
      '\u00a0\u3000Blanks of all kinds\u2003\ufeff',
      ' special ',
      ' 2100 ',
      ' 5.5\t',
      '\n3 ',
      " ['A'] ",
    ],
    [14, 'Blanks of all kinds', 'SPECIAL', 2100, 5.5, 3, '["A"]'],
  ],
  [
    [
      '15',
      'A list of escapes',
      'TV',
      '2000',
      '5',
      '1',
      String.raw`['it\'s', "say \"hi\"", 'back\\slash']`,
    ],
    [15, 'A list of escapes', 'TV', 2000, 5, 1, '["it\'s","say \\"hi\\"","back\\\\slash"]'],
  ],
  [
    [
      '16',
      'Controls',
      'TV',
      '2000',
      '5',
      '1',
      "['tab\there', 'new\nline', 'unit\u001fsep', 'sl/ash']",
    ],
    [16, 'Controls', 'TV', 2000, 5, 1, '["tab\\there","new\\nline","unit\\u001fsep","sl/ash"]'],
  ],
  [
    ['17', 'Bare names', 'TV', '2000', '5', '1', '[Action, Slice of Life ,Drama]'],
    [17, 'Bare names', 'TV', 2000, 5, 1, '["Action","Slice of Life","Drama"]'],
  ],
  [
    ['18', 'One bare name', 'TV', '2000', '5', '1', 'Action'],
    [18, 'One bare name', 'TV', 2000, 5, 1, '["Action"]'],
  ],
  [
    ['19', 'Repeats and blanks', 'TV', '2000', '5', '1', "[ 'A' , ' A ','B',\"A\", ]"],
    [19, 'Repeats and blanks', 'TV', 2000, 5, 1, '["A","B"]'],
  ],
  [
    ['20', 'Commas and quotes inside', 'TV', '2000', '5', '1', `['a, b', "c ' d", 'e " f']`],
    [20, 'Commas and quotes inside', 'TV', 2000, 5, 1, '["a, b","c \' d","e \\" f"]'],
  ],
  [
    ['21', 'Thirty-two', 'TV', '2000', '5', '1', list(32)],
    [21, 'Thirty-two', 'TV', 2000, 5, 1, JSON.stringify(names(32))],
  ],
  [
    ['22', 'Sixty-four', 'TV', '2000', '5', '1', `['${'g'.repeat(64)}']`],
    [22, 'Sixty-four', 'TV', 2000, 5, 1, JSON.stringify(['g'.repeat(64)])],
  ],
  [
    ['23', 'x'.repeat(400), 'TV', '2000', '5', '1', '[]'],
    [23, 'x'.repeat(400), 'TV', 2000, 5, 1, '[]'],
  ],
  [
    ['25', 'Case matters', 'TV', '2000', '5', '1', "['drama', 'Drama', 'DRAMA']"],
    [25, 'Case matters', 'TV', 2000, 5, 1, '["drama","Drama","DRAMA"]'],
  ],
  [
    ['2147483647', 'The last id', 'MUSIC', '2000', '5', '1', "['x']"],
    [2147483647, 'The last id', 'MUSIC', 2000, 5, 1, '["x"]'],
  ],
]

/** Rows that come too late: an earlier one has their id. */
const repeated: Raw[] = [
  ['1', 'The id of an earlier row', 'TV', '2000', '5', '1', '[]'],
  ['1.0', 'And again', 'TV', '2000', '5', '1', '[]'],
]

/** Rows that are refused, and the column at fault. */
export const refused: [Raw, string][] = [
  [['', 'No id', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['?', 'No id', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['2147483648', 'An id too high', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['99999999999', 'An id too long', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['-1', 'An id too low', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['1e3', 'No id', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['50.', 'No id', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['.5', 'No id', 'TV', '2000', '5', '1', '[]'], 'animeID'],
  [['51', ' ', 'TV', '2000', '5', '1', '[]'], 'title'],
  [['52', '?', 'TV', '2000', '5', '1', '[]'], 'title'],
  [['53', 'x'.repeat(401), 'TV', '2000', '5', '1', '[]'], 'title'],
  [['54', 'broken \ufffd text', 'TV', '2000', '5', '1', '[]'], 'title'],
  [['55', 'No such type', 'Play', '2000', '5', '1', '[]'], 'type'],
  [['56', 'No such year', 'TV', '1899', '5', '1', '[]'], 'year'],
  [['57', 'No such year', 'TV', '2101', '5', '1', '[]'], 'year'],
  [['58', 'No such year', 'TV', '20 00', '5', '1', '[]'], 'year'],
  [['59', 'No such year', 'TV', '99999999999999999999', '5', '1', '[]'], 'year'],
  [['60', 'No such score', 'TV', '2000', '10.01', '1', '[]'], 'score'],
  [['61', 'No such score', 'TV', '2000', '-1', '1', '[]'], 'score'],
  [['62', 'No such score', 'TV', '2000', '7,5', '1', '[]'], 'score'],
  [['63', 'No such score', 'TV', '2000', '7.', '1', '[]'], 'score'],
  [['64', 'No such score', 'TV', '2000', '.7', '1', '[]'], 'score'],
  [['65', 'No such score', 'TV', '2000', '7.5.1', '1', '[]'], 'score'],
  [['66', 'No such score', 'TV', '2000', '1e1', '1', '[]'], 'score'],
  [['67', 'Too many episodes', 'TV', '2000', '5', '100001', '[]'], 'episodes'],
  [['68', 'Half an episode', 'TV', '2000', '5', '1.5', '[]'], 'episodes'],
  [['69', 'Fewer than none', 'TV', '2000', '5', '-1', '[]'], 'episodes'],
  [['70', 'Thirty-three', 'TV', '2000', '5', '1', list(33)], 'genres'],
  [['71', 'Sixty-five', 'TV', '2000', '5', '1', `['${'g'.repeat(65)}']`], 'genres'],
  [['72', 'No closing quote', 'TV', '2000', '5', '1', "['A"], 'genres'],
  [['73', 'No comma', 'TV', '2000', '5', '1', "['A' 'B']"], 'genres'],
  [['74', 'A name of nothing', 'TV', '2000', '5', '1', "['A','']"], 'genres'],
  [['75', 'Two commas', 'TV', '2000', '5', '1', "['A',,'B']"], 'genres'],
  [['76', 'A quote in a bare name', 'TV', '2000', '5', '1', "[it's]"], 'genres'],
  [['77', 'Broken genres', 'TV', '2000', '5', '1', "['\ufffd']"], 'genres'],
  [
    ['78', 'An escaped quote in a bare name', 'TV', '2000', '5', '1', String.raw`[it\'s]`],
    'genres',
  ],
  [['79', 'A bare name that ends in a backslash', 'TV', '2000', '5', '1', '[ab\\,c\\]'], 'genres'],
  [['80', 'Another escape', 'TV', '2000', '5', '1', String.raw`['Caf\u00e9']`], 'genres'],
]

/** All of them, in one file. */
export const odd: Raw[] = [
  ...taken.map(([raw]) => raw),
  ...repeated,
  ...refused.map(([raw]) => raw),
]

export function* csvOf(rows: Raw[]): Generator<string> {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
  yield `${csvHeader.join()}\r\n`
  for (const [id, title, type, year, score, episodes, genres] of rows) {
    const record = [id, title, '', type, year, score, episodes, '', '', '', genres, '[]']
    yield `${record.map(quote).join()}\r\n`
  }
}
