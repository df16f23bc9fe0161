import { join } from 'node:path'
import { normalQuery } from '../catalogue/words.ts'
import { openDatabase } from '../db/database.ts'
import { generateCsv } from '../db/import/generate.ts'
import { importCatalogue } from '../db/import/import.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'
import type { FinishedRead } from '../db/reads/read.ts'
import { parseList } from '../routes/list-query.ts'
import { atMost, type Bench, median, timed } from './bench.ts'
import { inTemporaryFolder } from './processes.ts'

const titles = 20_238
const texts = 10_000

const words =
  'golden gardn gard the of a s o 1 12 Étoile 雪国 雪 chapter seas & ; zzz samurai 3'.split(' ')

/** A text that somebody, or something, might search: words and letters that titles have, or any Unicode. */
function randomText(): string {
  const below = (count: number) => Math.floor(Math.random() * count)
  const character = () => {
    const code = below(2) === 0 ? 33 + below(94) : below(0x110000)
    return code >= 0xd800 && code < 0xe000 ? ' ' : String.fromCodePoint(code)
  }
  const known = () => words[below(words.length)]!
  const any = () => Array.from({ length: 1 + below(6) }, character).join('')
  const part = below(2) === 0 ? known : () => (below(2) === 0 ? known() : any())
  const parts = Array.from({ length: 1 + below(8) }, part)
  return parts
    .join(below(3) === 0 ? '' : ' ')
    .slice(0, 200)
    .toWellFormed()
}

export default {
  name: 'search',
  title: `Searching ${titles} titles`,
  run: ({ log }) =>
    inTemporaryFolder(async (folder) => {
      const url = `sqlite:${join(folder, 'anime.db')}`
      const database = await openDatabase(url)
      try {
        await migrate(database)
        await importCatalogue(generateCsv(titles), openStage(url))
        const search = async (q: string) => {
          const { query, columns } = parseList({ q, limit: 20 })
          const answer = await database.read({ what: 'list', query, columns })
          return !new TextDecoder().decode((answer as FinishedRead).body).startsWith('{"total":0,')
        }
        for (let round = 0; round < 200; round += 1) await search('golden garden')
        const two = []
        for (let round = 0; round < 50; round += 1)
          two.push(await timed(() => search('golden gard')))
        const times: number[] = []
        const finding: number[] = []
        let [worst, slowest] = [0, '']
        for (let round = 0; round < texts; round += 1) {
          const text = randomText()
          const q = normalQuery(text) === '' ? 'a' : text
          // Twice, and the better: a collection of garbage is no matter of the text.
          const took = Math.min(await timed(() => search(q)), await timed(() => search(q)))
          times.push(took)
          if (await search(q)) finding.push(took)
          if (took > worst) [worst, slowest] = [took, q]
        }
        log(`the slowest, ${worst.toFixed(2)} ms: ${JSON.stringify(slowest)}`)
        times.sort((a, b) => a - b)
        const middle = median(finding)
        return [
          atMost('search, two words', median(two), 5, 'ms'),
          {
            what: `... median of ${texts} texts, and of those that find something`,
            measured: `${median(times).toFixed(2)}, ${middle.toFixed(2)} ms`,
          },
          {
            what: '... 99.9th percentile',
            measured: `${times[Math.floor(texts * 0.999)]!.toFixed(2)} ms`,
          },
          atMost('... the worst, in medians of those that find something', worst / middle, 10),
        ]
      } finally {
        await database.close()
      }
    }),
} satisfies Bench
