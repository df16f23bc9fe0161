import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { openDatabase } from '../../db/database.ts'
import { type ImportOptions, importCatalogue, type Reject } from '../../db/import/import.ts'
import { sqliteStage } from '../../db/import/sqlite.ts'
import { openSource } from '../../db/import/unpack.ts'
import { migrate } from '../../db/migrate.ts'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { root } from '../support/process.ts'

/** A title as an import leaves it: source id, title, type, year, score, episodes, genres with |. */
type Title = [number | null, string, string, number | null, number | null, number | null, string]

interface Shape {
  shape: string
  file: string | Buffer
  options?: ImportOptions
  titles: Title[]
  /** `column: reason` of each rejected row. */
  rejected?: RegExp[]
  notes?: RegExp[]
}

const lines = (...rows: string[]) => `${rows.join('\n')}\n`
const own = 'animeID,title,type,year,score,episodes,genres'

const shapes: Shape[] = [
  {
    shape: 'the best known: name, genre with commas, rating for the score, HTML entities, no year',
    file: lines(
      'anime_id,name,genre,type,episodes,rating,members',
      '7,Kaze&#039;,"Action, Slice of Life",TV,51,9.25,1143',
      '8,Salt &amp; Star,Drama,OVA,Unknown,,12',
      '9,,Comedy,TV,12,7.1,55',
    ),
    titles: [
      [7, "Kaze'", 'TV', null, 9.25, 51, 'Action|Slice of Life'],
      [8, 'Salt & Star', 'OVA', null, null, null, 'Drama'],
    ],
    rejected: [/^name: missing/],
    notes: [/^columns: id = anime_id, title = name, .*score = rating, .*; no year$/],
  },
  {
    shape: 'a crawl: rating is an age, floats, the year in one column or the other',
    file: lines(
      'anime_id,title,type,episodes,aired_from,rating,score,season,year,genres',
      '1,A,TV,13.0,1998-01-08T00:00:00+00:00,PG-13,6.78,winter,1998.0,"Adventure, Comedy"',
      '2,B,Movie,1.0,2019-11-03T00:00:00+00:00,R - 17+,7.91,,,Drama',
      '3,C,TV Special,,,None,,,,[]',
    ),
    titles: [
      [1, 'A', 'TV', 1998, 6.78, 13, 'Adventure|Comedy'],
      [2, 'B', 'MOVIE', 2019, 7.91, 1, 'Drama'],
      [3, 'C', 'SPECIAL', null, null, null, ''],
    ],
    notes: [/year = year or aired_from/, /^season: passed over/, /^rating: passed over/],
  },
  {
    shape: 'a scrape: a rank that is no id, doubled genres, dates as text, Themes beside Genres',
    file: lines(
      'Ranking,Title,Type,Aired,Episodes,Score,Genres,Themes',
      '1,A,TV,"Apr 5, 2009 to Jul 4, 2010",64,9.14,"ActionAction,Sci-FiSci-Fi",MilitaryMilitary',
      '6,B,Movie,8-Jan-21,1,N/A,None,None',
      '9,C,OVA,Not available,1,7,"None found, add some",x',
    ),
    titles: [
      [null, 'A', 'TV', 2009, 9.14, 64, 'Action|Sci-Fi'],
      [null, 'B', 'MOVIE', 2021, null, 1, ''],
      [null, 'C', 'OVA', null, 7, 1, ''],
    ],
    notes: [/a title is known by its title, type, year$/],
  },
  {
    shape: 'no id and no type; Python lists, the title alone in two rows one title',
    file: lines(
      'title,genre,aired,score',
      `A,"['Comedy', 'Sports']","Oct 4, 2015 to Mar 27, 2016",8.82`,
      'B,[],16-Aug-19,8.31',
      'B,[],16-Aug-19,8.31',
    ),
    titles: [
      [null, 'A', 'UNKNOWN', 2015, 8.82, null, 'Comedy|Sports'],
      [null, 'B', 'UNKNOWN', 2019, 8.31, null, ''],
    ],
    rejected: [/^title: an earlier row has this title, year/],
  },
  {
    shape: 'kind for the type, 0.0 for a score that nobody gave, 0 episodes',
    file: lines(
      'id,name,kind,score,episodes,aired_on,released_on',
      '1,A,tv,8.75,26,1998-04-03,1999-04-24',
      '2,B,tv_special,7.31,0,,2000-12-25',
      '3,C,cm,0.0,3,1992-12-23,',
    ),
    titles: [
      [1, 'A', 'TV', 1998, 8.75, 26, ''],
      [2, 'B', 'SPECIAL', 2000, 7.31, null, ''],
      [3, 'C', 'UNKNOWN', 1992, null, 3, ''],
    ],
  },
  {
    shape: 'a list in several columns',
    file: lines(
      'id,start_date,mean,media_type,num_episodes,rating,title,genre1,genre2,genre3',
      '5,2007-10-05,7.99,tv,23,pg_13,A,Drama,School,',
      '6,1934,4.85,movie,1,g,B,,,',
    ),
    titles: [
      [5, 'A', 'TV', 2007, 7.99, 23, 'Drama|School'],
      [6, 'B', 'MOVIE', 1934, 4.85, 1, ''],
    ],
    notes: [/genres = genre1 and genre2 and genre3$/],
  },
  {
    shape: 'an index without a name, a range of months',
    file: lines(
      ',Name,Episodes,Release,Score',
      '0,A,28,Sep 2023 -,9.13',
      '1,B,24,Apr 2009 - Jul 2010,8',
    ),
    titles: [
      [null, 'A', 'UNKNOWN', 2023, 9.13, 28, ''],
      [null, 'B', 'UNKNOWN', 2009, 8, 24, ''],
    ],
  },
  {
    shape: 'an index without a name, taken for the id on demand',
    file: lines(',Name', '0,A', '5,B'),
    options: { map: [['id', '']] },
    titles: [
      [0, 'A', 'UNKNOWN', null, null, null, ''],
      [5, 'B', 'UNKNOWN', null, null, null, ''],
    ],
  },
  {
    shape: 'semicolons, CRLF, nameless columns at the end, numbers with commas',
    file: 'Name;Rating;Followers;Type;Episodes;Genre;;\r\nA;8.63;3,150,451;TV;1,037;Mystery,Suspense;;\r\n',
    titles: [[null, 'A', 'TV', null, 8.63, 1037, 'Mystery|Suspense']],
  },
  {
    shape: 'commas in fields without quotes: more fields than the header',
    file: lines(
      'score,Type,Eps,English_Title,Genre',
      '8.0399999999999991,TV,12,A,Drama',
      '8,TV,1,B,Action, Drama',
    ),
    titles: [[null, 'A', 'TV', null, 8.04, 12, 'Drama']],
    rejected: [/^: not as many fields as the header: 6, not 5/],
  },
  {
    shape: 'a BOM, semicolons, text beside the number of episodes',
    file: '\uFEFFname;episodes\nA;12\nB;12 + 1 OVA \nC;12 eps\n',
    titles: [
      [null, 'A', 'UNKNOWN', null, null, 12, ''],
      [null, 'C', 'UNKNOWN', null, null, 12, ''],
    ],
    rejected: [/^episodes: not a whole number/],
  },
  {
    shape: 'a spreadsheet in Spanish with decimal commas',
    file: '\uFEFFid;titulo;tipo;año;puntuación;episodios;géneros\r\n1;Corazón;Película;2011;8,75;24;Acción|Drama\r\n',
    titles: [[1, 'Corazón', 'MOVIE', 2011, 8.75, 24, 'Acción|Drama']],
  },
  {
    shape: 'GB18030',
    file: Buffer.concat([
      Buffer.from('subject,title,subject_summary,rating\n1749,'),
      Buffer.from('d0c7bccab8dbbfda', 'hex'),
      Buffer.from(',', 'latin1'),
      Buffer.from('d5e2cac7d2bbb8f6b9cacac2a3acbadcb3a4a1a3'.repeat(20), 'hex'),
      Buffer.from(',6.846808511\n'),
    ]),
    titles: [[1749, '星际港口', 'UNKNOWN', null, 6.85, null, '']],
    notes: [/^not UTF-8: read as GB18030/],
  },
  {
    shape: 'Windows-1252',
    file: Buffer.from(
      `${own}\r\n1,Caf\xe9 \x96 L\x92\xc9t\xe9,TV,2004,7.5,26,"Comedy, Drama"\r\n`,
      'latin1',
    ),
    titles: [[1, 'Café – L’Été', 'TV', 2004, 7.5, 26, 'Comedy|Drama']],
    notes: [/^not UTF-8: read as windows-1252 \(--encoding names another\)$/],
  },
  {
    shape: 'UTF-16 with tabs, as spreadsheets write Unicode text',
    file: Buffer.from(
      `\uFEFF${own.replaceAll(',', '\t')}\r\n2\t霧の港\tMOVIE\t2018\t8.1\t1\tDrama\r\n`,
      'utf16le',
    ),
    titles: [[2, '霧の港', 'MOVIE', 2018, 8.1, 1, 'Drama']],
  },
  {
    shape: 'UTF-16 without a BOM',
    file: Buffer.from(`${own}\n2,霧の港,MOVIE,2018,8.1,1,Drama\n`, 'utf16le').swap16(),
    titles: [[2, '霧の港', 'MOVIE', 2018, 8.1, 1, 'Drama']],
    notes: [/^read as utf-16be/],
  },
  {
    shape: 'a header in Japanese, mapped; scores out of 100',
    file: lines(
      '#,名称,評価,年度,ジャンル,全話数',
      '1,霧の星,92,1999,コメディ,26',
      '2,夜の鞄,-,2013,,不明',
    ),
    options: {
      map: [
        ['id', '#'],
        ['title', '名称'],
      ],
      scale: 100,
    },
    titles: [
      [1, '霧の星', 'UNKNOWN', 1999, 9.2, 26, 'コメディ'],
      [2, '夜の鞄', 'UNKNOWN', 2013, null, null, ''],
    ],
  },
  {
    shape: 'percentages',
    file: lines(
      'Name,Release Year,Number of Episodes,K-Score,Mal-Score',
      'A,2011,148,84.17%,?',
      'B,2012,1,84%,9.08%',
    ),
    titles: [[null, 'A', 'UNKNOWN', 2011, null, 148, '']],
    rejected: [/^Mal-Score: not a number from 0 to 10 \(--scale says what it is out of\)/],
  },
  {
    shape: "NumPy's print of a list",
    file: lines('title,tags', "A,['성장' '요괴 및 괴물']"),
    titles: [[null, 'A', 'UNKNOWN', null, null, null, '성장|요괴 및 괴물']],
  },
  {
    shape: 'seasons, and genres with blanks between',
    file: lines(
      'name,episode,season,genre',
      'A,25,Spring 2013,Action Military Mystery Drama Shounen',
      'B,1,Fall 2015,Drama',
    ),
    titles: [[null, 'B', 'UNKNOWN', 2015, null, 1, 'Drama']],
    rejected: [/^genre: only blanks between the names/],
  },
  {
    shape: 'genres with blanks between, said',
    file: lines('name,genre', 'A,Action Military'),
    options: { separator: ' ' },
    titles: [[null, 'A', 'UNKNOWN', null, null, null, 'Action|Military']],
  },
  {
    shape: 'ids that are no numbers, a date in a list, genres by --map',
    file: lines('id,name,time,类型', `A1,蓝色,['1998年10月23日'],"['科幻', '战斗']"`),
    options: { map: [['genres', '类型']] },
    titles: [[null, '蓝色', 'UNKNOWN', 1998, null, null, '科幻|战斗']],
    notes: [/known by its title, year/, /^id: passed over, its values are no id: "A1"/],
  },
  {
    shape: 'text over several lines beside what is read',
    file: lines('anime_id,title,synopsis,type,year', '1,"""A"" x","One, two.\nThree.",PV,2024.0'),
    titles: [[1, '"A" x', 'UNKNOWN', 2024, null, null, '']],
  },
  {
    shape: 'dotted dates, an empty column of episodes beside a full one, a type that is none',
    file: lines(
      'Anime Title,Episodes,Season,Start Date,Rating,Type,Episodes Total',
      'A,,2,31.03.2023,11,Anime,20',
      'B,,N/a,31.03.2023,,OVA,12',
    ),
    titles: [[null, 'B', 'OVA', 2023, null, 12, '']],
    rejected: [/^Type: not one of TV, MOVIE/],
  },
  {
    shape: 'marks of the unknown',
    file: lines(own, '1,A,TV,-,8,1,[]', '2,B,TV,TBA,--,??,[]', '3,C,TV,Not available,N/A,?,[]'),
    titles: [
      [1, 'A', 'TV', null, 8, 1, ''],
      [2, 'B', 'TV', null, null, null, ''],
      [3, 'C', 'TV', null, null, null, ''],
    ],
  },
  {
    shape: 'CR alone ends the lines',
    file: `${own}\r1,A,TV,2001,8.1,12,[]\r2,B,TV,soon,8.1,12,[]\r`,
    titles: [[1, 'A', 'TV', 2001, 8.1, 12, '']],
    rejected: [/^year: /],
  },
  {
    shape: 'CR ends the lines, but for one',
    file: `${own}\r1,A,TV,2001,8.1,12,[]\r\n2,B,TV,2002,8.1,12,[]\r3,C,TV,2003,8.1,12,[]\n`,
    titles: [
      [1, 'A', 'TV', 2001, 8.1, 12, ''],
      [2, 'B', 'TV', 2002, 8.1, 12, ''],
      [3, 'C', 'TV', 2003, 8.1, 12, ''],
    ],
  },
  {
    shape: 'names with what they are counted in; a sole Title (Japanese) is the title',
    file: lines(
      'Anime ID,"Title (Japanese)",Year (first aired),Score [of 10],Episodes (count)',
      '1,A,2001,8.1,12',
    ),
    titles: [[1, 'A', 'UNKNOWN', 2001, 8.1, 12, '']],
    notes: [/year = Year \(first aired\), score = Score \[of 10\]/],
  },
  {
    shape: 'a name that is ours before one with more behind it',
    file: lines('Title (Japanese),title_english', 'あ,A'),
    titles: [[null, 'A', 'UNKNOWN', null, null, null, '']],
  },
  {
    shape: 'a CSV whose ids are called as those of the API',
    file: lines('id;title;type;year', '7;A;TV;2001'),
    titles: [[7, 'A', 'TV', 2001, null, null, '']],
  },
  {
    shape: "a spreadsheet's line that names the delimiter",
    file: '\uFEFFsep=|\r\nid|title|year\r\n7|A; B, C; D|2001\r\n8|B|soon\r\n',
    titles: [[7, 'A; B, C; D', 'UNKNOWN', 2001, null, null, '']],
    rejected: [/^year: /],
  },
  {
    shape: 'blanks before quotes',
    file: lines('"title", "year",  "genres"', '"A, B", 2001,  "Action, Drama"'),
    titles: [[null, 'A, B', 'UNKNOWN', 2001, null, null, 'Action|Drama']],
  },
  {
    shape: 'the first of two titles that says something',
    file: lines('english,romaji', 'UNKNOWN,A', 'B,C', ',?'),
    options: {
      map: [
        ['title', 'english'],
        ['title', 'romaji'],
      ],
    },
    titles: [
      [null, 'A', 'UNKNOWN', null, null, null, ''],
      [null, 'B', 'UNKNOWN', null, null, null, ''],
    ],
    rejected: [/^english: missing/],
    notes: [/^columns: title = english or romaji;/],
  },
  {
    shape: 'gzip and zstd data, whatever the name, one in the other',
    file: gzipSync(zstdCompressSync(lines(own, '1,A,TV,2001,8.1,12,[]'))),
    titles: [[1, 'A', 'TV', 2001, 8.1, 12, '']],
  },
  {
    shape: 'NDJSON',
    file: lines(
      '{"mal_id": 1, "title": "A", "type": "TV", "aired": {"from": "1998-04-03"}, "genres": [{"mal_id": 2, "name": "Action"}]}',
      '{"mal_id": 2, "title": "B", "score": 7.5, "episodes": null}',
      '{"mal_id": 3, "title"',
    ),
    titles: [
      [1, 'A', 'TV', 1998, null, null, 'Action'],
      [2, 'B', 'UNKNOWN', null, 7.5, null, ''],
    ],
    rejected: [/^: not a JSON object/],
  },
  {
    shape: 'JSON with the list somewhere in it, and objects in objects',
    file: '{"page": {"of": []}, "media": [{"id": 1, "title": {"romaji": "A \\"]}", "native": "あ"}, "seasonYear": 2001}, {"id": 2}]}',
    titles: [[1, 'A "]}', 'UNKNOWN', 2001, null, null, '']],
    rejected: [/^title.romaji: missing/],
  },
  {
    shape: 'an object with a list in one line, and the end of that line',
    file: '{"names":["x]"],"more":{"y":[]},"data":[{"title":"A"},{"title":"B"}],"links":["z"]}\n\n',
    titles: [
      [null, 'A', 'UNKNOWN', null, null, null, ''],
      [null, 'B', 'UNKNOWN', null, null, null, ''],
    ],
  },
  {
    shape: 'one line of NDJSON whose title has a list of objects',
    file: '{"title":"A","genres":[{"name":"Drama"}]}\n',
    titles: [[null, 'A', 'UNKNOWN', null, null, null, 'Drama']],
  },
  {
    shape: 'a list that this service gave over HTTP: its ids are its own',
    file: '{"data":[{"id":1,"title":"A","type":"TV","year":2001,"score":8,"episodes":1,"genres":["Drama"]}],"total":1,"next":null}',
    titles: [[null, 'A', 'TV', 2001, 8, 1, 'Drama']],
    notes: [/known by its title, type, year/, /^id: passed over, as it may be this service's own/],
  },
]

/** Imports `file` into an empty catalogue, twice; the second time has to change nothing. */
async function importedTwice(
  t: Teardown,
  file: () => Promise<AsyncIterable<Buffer>> | Iterable<Buffer>,
  options: ImportOptions = {},
  once = false,
) {
  const path = join(temporaryFolder(t), 'anime.db')
  const database = await openDatabase(`sqlite:${path}`)
  await migrate(database)
  await database.close()
  const rejects: Reject[] = []
  const notes: string[] = []
  const summary = await importCatalogue(await file(), sqliteStage(path), {
    ...options,
    onReject: (reject) => rejects.push(reject),
    onNote: (note) => notes.push(note),
  })
  const again = once ? summary : await importCatalogue(await file(), sqliteStage(path), options)
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  const titles = db
    .prepare('select source_id, title, type, year, score, episodes, genres from animes order by id')
    .all()
    .map(({ genres, ...row }) => [...Object.values(row), JSON.parse(String(genres)).join('|')])
  return { summary, again, rejects, notes, titles }
}

for (const { shape, file, options, titles, rejected = [], notes = [] } of shapes) {
  t.test(shape, async (t) => {
    const bytes = Buffer.from(file)
    const found = await importedTwice(t, () => [bytes], options)
    t.strictSame(found.titles, titles)
    const reasons = found.rejects.map(({ column, reason }) => `${column}: ${reason}`)
    t.match(reasons, rejected)
    t.equal(reasons.length, rejected.length, reasons.join())
    for (const [at, note] of notes.entries()) t.match(found.notes[at], note)
    t.match(found.again, { added: 0, changed: 0, removed: 0, unchanged: titles.length }, 'again')
    const cut = Array.from(bytes, (byte) => Buffer.from([byte]))
    t.strictSame(
      (await importedTwice(t, () => cut, options, true)).titles,
      titles,
      'cut between any bytes',
    )
  })
}

const packed = (text: string, times: number): Buffer =>
  gzipSync(times > 1 ? packed(text, times - 1) : text)

t.test('what is no catalogue is refused in one line that says what it is', async (t) => {
  const files: [string | Buffer, RegExp, ImportOptions?][] = [
    [
      'user_id,anime_id,rating\n27,19,2\n',
      /^no column for the title: the header has "user_id", "anime_id", "rating"; known are title, /,
    ],
    [
      'Blue Harbour,220,,Finished\nB,5,,x\n',
      /^no column for the title; the first row seems to be no header: the header has "Blue Harbour", "220", "", "Finished"/,
    ],
    [
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\n',
      /a Git LFS pointer, not the file/,
    ],
    ['<!DOCTYPE html>\n<html></html>', /an HTML page/],
    ['<?xml version="1.0"?><a/>', /XML/],
    ['<list><title>A</title></list>', /XML/],
    [Buffer.from('fffe000074000000', 'hex'), /^the file is UTF-32: save it as UTF-8$/],
    [`${'x'.repeat(200_000)}\n`, /^no line ends in the first 128 KiB: that is no header$/],
    [`{"title": "${'x'.repeat(200_000)}"}\n{}`, /^no object ends in the first 128 KiB$/],
    ['{"title"\n{', /^the JSON has no list of objects$/],
    [packed('title\nA\n', 4), /^the file is packed more than three times$/],
    [Buffer.from(`PK\x05\x06${'\0'.repeat(18)}`), /^the file is a zip archive with nothing in it$/],
    [Buffer.from('PK\x03\x04....'), /a zip archive/],
    [Buffer.from('SQLite format 3\0'), /a SQLite database/],
    [Buffer.from('PAR1....'), /a Parquet file/],
    [' \n\n', /^the file is empty$/],
    ['{"a": 1}', /^no column for the title/],
    ['{"a": {\n"b": []}}', /^the JSON has no list of objects$/],
    ['[{"title": "A"}, {"title"', /^the JSON ends in the middle of its list$/],
    ['[{"title": "A"}, 7]', /^line 1: an item of the list is no object$/],
    ['[{"title":"A"},\n"B",{"title":"C"}]', /^line 2: an item of the list is no object$/],
    ['["B",{"title":"C","links":[{"title":"D"}]}]', /^line 1: an item of the list is no object$/],
    ['[{"title":"A"}]\n[{"title":"B"}]', /^line 2: something follows the JSON's end$/],
    ['{"data":[{"title":"A"}]}\n{"data":[{"title":"B"}]}', /^no column for the title/],
    ['{\n"data":[{"title":"A"}]}{"title":"B"}', /^line 2: something follows the JSON's end$/],
    ['[[{"title":"A"}],\n[{"title":"B"}]]', /^line 1: only one list of a list of lists/],
    [
      lines('title,Title', 'a,b'),
      /^the title may be "title", "Title": say which with --map title=NAME$/,
    ],
    [
      lines('title', 'a'),
      /^--map: the header has no column "b"; it has "title"$/,
      { map: [['title', 'b']] },
    ],
    [lines('title', 'a'), /^--key: the header has no column "b"/, { key: ['b'] }],
    [lines('title,a,b', 'x,1,2'), /^--key takes one column of ids, or title/, { key: ['a', 'b'] }],
    [
      lines('title', 'a'),
      /^the header has no column animeID, type, .*; it has "title"/,
      { strict: true },
    ],
  ]
  for (const [file, message, options] of files) {
    const attempt = importedTwice(t, () => [Buffer.from(file)], options)
    await t.rejects(attempt, { name: 'ImportError', message }, String(message))
  }
})

const shared = join(root, '../shared/data')
const skip = existsSync(shared) ? false : 'no data beside the repository'

t.test('the collected files are taken as their README says', { skip }, async (t) => {
  const options: Record<string, ImportOptions> = {
    '12-japanese-header.csv': {
      map: [
        ['id', '#'],
        ['title', '名称'],
        ['score', '評価'],
        ['year', '年度'],
        ['episodes', '全話数'],
        ['genres', 'ジャンル'],
      ],
    },
    '13-percent-score.csv': { scale: 10 },
    '15-season-and-space-genres.csv': { separator: ' ' },
    '17-bangumi.csv': { map: [['genres', '类型']] },
    '34-all-rejected.csv': { strict: true },
    '06-three-columns.csv': {
      map: [
        ['title', 'judul'],
        ['score', 'rating'],
        ['year', 'release'],
      ],
    },
    '08-japanese.csv': { map: [['title', '名称']] },
  }
  // Rows taken, rows rejected; or why the file is refused.
  const expected: Record<string, [number, number] | RegExp> = {
    'found/09-unquoted-commas.csv': [1, 6],
    'found/10-bom-semicolon-episodes-text.csv': [2, 2],
    'found/12-japanese-header.csv': [2, 3],
    'found/16-no-header.csv':
      /no column for the title; the first row seems to be no header: the header has "Blue Harbour"/,
    'found/21-dotted-dates.csv': [2, 2],
    'found/34-all-rejected.csv': /all 5 rows were rejected; line 2: year: .*"Spring 2013"/,
    'found/39-git-lfs-pointer.csv': /Git LFS pointer/,
    'found/40-html-page.csv': /HTML page/,
    'shapes/01-recommendation.csv': [5, 1],
    'shapes/06-three-columns.csv': [2, 1],
    'shapes/10-ratings-not-a-catalogue.csv': /no column for the title/,
  }
  for (const folder of ['found', 'shapes']) {
    for (const name of readdirSync(join(shared, folder))) {
      if (name === 'README.md') continue
      const path = join(shared, folder, name)
      const open = async () => (await openSource(path)).chunks
      const outcome = expected[`${folder}/${name}`]
      const attempt = importedTwice(t, open, options[name])
      if (outcome instanceof RegExp) {
        await t.rejects(attempt, { message: outcome }, name)
        continue
      }
      const { summary, again } = await attempt
      const [added, rejected] = outcome ?? [summary.read, 0]
      t.match(summary, { added, rejected }, name)
      t.match(again, { added: 0, changed: 0, unchanged: added }, `${name} again`)
    }
  }
  t.ok(readFileSync(join(shared, 'found/README.md')).length > 0)
})
