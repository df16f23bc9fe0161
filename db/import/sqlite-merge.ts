import type { DatabaseSync } from 'node:sqlite'
import type { StageOptions } from './import.ts'
import type { ImportedWords } from './sqlite-words.ts'

interface Options extends Pick<StageOptions, 'given'> {
  /** The rows `b` to change titles to. */
  table: string
  /** Which row belongs to the title `a`. */
  on: string
  /** Whether a row `b` says something else than the title `a`. */
  changed: string
  words: ImportedWords
}

/** Changes the titles that differ from their rows, with their genres and words, and gives how many. */
export function merger(db: DatabaseSync, { table, on, given, changed, words }: Options) {
  const joined = `animes a join ${table} b on ${on}`
  const dropGenres = db.prepare(
    `delete from anime_genres where anime_id in (select a.id from ${joined} where a.genres <> b.genres)`,
  )
  const addGenres = db.prepare(
    `insert into anime_genres (genre, anime_id)
     select g.value, a.id from ${joined}, json_each(b.genres) g where a.genres <> b.genres`,
  )
  const update = db.prepare(
    `update animes as a set (${given}, sort_title) = (${given.map((name) => `b.${name}`)}, b.sort_title)
     from ${table} b where ${on} and ${changed}`,
  )
  const changeWords = words.changer(joined, given)
  return (): number => {
    changeWords()
    if (given.includes('genres')) {
      dropGenres.run()
      addGenres.run()
    }
    return Number(update.run().changes)
  }
}
