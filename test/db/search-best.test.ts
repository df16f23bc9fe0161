import t from 'tap'
import { normalQuery } from '../../catalogue/words.ts'
import { insertAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { mssqlReads } from '../../db/reads/mssql-dialect.ts'
import { sqliteReads } from '../../db/reads/sqlite-dialect.ts'
import { findBest } from '../../db/search/best.ts'
import { createLoader } from '../../db/search/loader.ts'
import { least } from '../../db/search/match.ts'
import { type RunSql, runOn } from '../../db/search/rows.ts'
import { findTitles } from '../../db/search/search.ts'
import { createSetCache } from '../../db/search/set-cache.ts'
import { newDatabase, onMssql } from '../support/app.ts'
import { seeded } from '../support/catalogue.ts'

const random = seeded(23)
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

const parts =
  'Red,Reds,Blue,Green,The,A,Ab,Bc,Abc,Steins,Gate,Gatekeeper,S,T,Wolf,雪,雪国,国の,の,1,12,Étoile'.split(
    ',',
  )
const separators = [' ', ' ', ' ', ' ', '-', ';', '.', ' "', "'", ' & ', '']

function titleOf(): string {
  let title = pick(parts)
  for (let more = random(4); more > 0; more -= 1) title += pick(separators) + pick(parts)
  // Its normal form is cut.
  return random(150) === 0 ? `${title} ${'& '.repeat(100)}Red Gate` : title
}

function queryOf(title: string): string {
  const words = title.split(/\s+/).slice(0, 6)
  let some = Array.from({ length: 1 + random(4) }, () => pick(words))
  if (random(2) === 0) some = words.slice(0, 4)
  if (random(3) === 0) some.push(pick(parts))
  const last = some.pop()!
  if (random(2) === 0) some.push(last.slice(0, 1 + random(last.length)))
  else some.push(last)
  return some.join(random(6) === 0 ? '' : ' ')
}

/** From none of a kind to more than there are: each way to find the best is taken. */
const bounds = () => ({
  fewBeginnings: pick([0, 3, 5000]),
  joined: pick([1, 3, 500]),
  ranked: pick([0, 100, 5000]),
  sample: pick([1, 7, 100]),
  titlesInBlock: pick([0, 1, 50, 2000]),
  scoredInTitle: pick([1, 40]),
  metInTitle: pick([1, 100, 10_000]),
})

t.test(
  'the best of a search are the first of all that it finds, however they are found',
  async (t) => {
    const database = await openDatabase(await newDatabase(t))
    t.teardown(() => database.close())
    await migrate(database)
    const titles = Array.from({ length: onMssql ? 1000 : 3000 }, titleOf)
    await database.writer.transaction().execute(async (trx) => {
      for (const title of titles) {
        const score = random(4) === 0 ? null : random(60) / 10 + 3
        const values = { type: 'TV', year: 2001, episodes: 12, genres: '[]' }
        await insertAnime(database, trx, { ...values, title, score })
      }
    })
    const statements: string[] = []
    const runReader = runOn(database.reader)
    const run: RunSql = (statement) => {
      statements.push(statement.texts.join('?'))
      return runReader(statement)
    }
    const dialect = onMssql ? mssqlReads : sqliteReads
    const sessions = [0, 2000, 1_000_000].map((bytes) => {
      return { rows: run, dialect, setCache: createSetCache(bytes, 1) }
    })
    const noSets = { rows: runReader, dialect, setCache: createSetCache(0) }
    let answered = 0
    const several: string[] = []
    for (let round = 0; round < (onMssql ? 300 : 1500); round += 1) {
      const q = queryOf(pick(titles))
      if (normalQuery(q) === '') continue
      const given = bounds()
      const loading = {
        cheapBlocks: pick([0, 1, 100]),
        textsInBlock: pick([0, 3, 500]),
        fewTitles: pick([0, 5, 500]),
        manyRows: pick([1, 3, 4000]),
      }
      const best = await findBest(createLoader(pick(sessions), loading), q, {
        count: 10,
        bounds: given,
      })
      if (best === undefined) continue
      answered += 1
      if (normalQuery(q).includes(' ')) several.push(q)
      const { keys, corrected } = await findTitles(createLoader(noSets), q)
      const expected = corrected === undefined ? least(keys, 10) : new Float64Array()
      if (Buffer.from(best.buffer).equals(Buffer.from(expected.buffer))) continue
      t.same([...best], [...expected], `${q} with ${JSON.stringify({ ...given, ...loading })}`)
    }
    t.ok(answered > 100 && several.length > 50, `${answered} were found so`)
    for (const way of [
      /order by a\.score desc, a\.id/,
      /max\(a\.score\)/,
      /select a\.id, a\.sort_title/,
      /word <> \?/,
      /json\(\?|json_each\(\?/,
    ]) {
      t.ok(
        statements.some((text) => way.test(text)),
        `${way} was taken`,
      )
    }
  },
)
