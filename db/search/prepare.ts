import type { SearchSession } from '../reads/session.ts'
import { sql } from '../reads/sql.ts'
import { findBest } from './best.ts'
import { createLoader } from './loader.ts'
import { findTitles } from './search.ts'

/** Searches after which the code that searches has been compiled. */
const firstSearches = 40

/** Makes the sets of the most frequent words, and searches for some of them: the first who asks finds all that ready. */
export async function prepareFrequent(session: SearchSession): Promise<void> {
  const { rows: run, setCache } = session
  // Each word has one row that begins at 0.
  const rows = await run(sql`select word, count(*) + 1 as n from search_words where first_id > 0
    group by word order by n desc`)
  const words: string[] = []
  for (const [word, count] of rows as [string, number][]) {
    if (setCache.keeps(count)) words.push(word)
  }
  for (const word of words) if (setCache.hasRoom) await make(session, word)
  for (const [at, word] of words.slice(0, firstSearches).entries()) {
    const q = `${words[(7 * at + 1) % words.length]} ${word.slice(0, 1 + (at % word.length))}`
    await findBest(createLoader(session), q, { count: 10 })
    if (at % 4 === 0) await findTitles(createLoader(session), q)
  }
}

/** Makes the sets that searches did without. */
export async function makeWanted(session: SearchSession): Promise<void> {
  for (const word of session.setCache.takeWanted()) await make(session, word)
}

const make = (session: SearchSession, text: string) =>
  createLoader(session).set({ text, cjk: false, exact: true })
