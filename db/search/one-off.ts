import { afterPrefix } from '../../catalogue/words.ts'
import { join, raw, type Sql, sql } from '../reads/sql.ts'
import type { RunSql } from './rows.ts'
import { mirror } from './write.ts'

/** Fewer letters are too many other words. */
const shortest = 5

/** A text as its letters: itself, where each is one code unit. */
const lettersOf = (text: string): ArrayLike<string> =>
  /[\ud800-\udfff]/.test(text) ? [...text] : text

/** Whether one letter inserted, deleted or replaced, or two that change places, make `other` of `word`. */
export function isOneOff(word: string, other: string): boolean {
  const [a, b] = [lettersOf(word), lettersOf(other)]
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a[start] === b[start]) start += 1
  let end = 0
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  const [x, y] = [a.length - start - end, b.length - start - end]
  if (x <= 1 && y <= 1) return x + y > 0
  return x === 2 && y === 2 && a[start] === b[start + 1] && a[start + 1] === b[start]
}

/**
 * The words of titles that differ from `word` by one letter, in order. Two letters that change places make a
 * few words; for any other change the first half of the word or its last half stands, and each has an index.
 */
export async function wordsOneOff(run: RunSql, word: string): Promise<string[]> {
  const letters = [...word]
  if (letters.length < shortest) return []
  const swapped = letters.slice(1).map((letter, at) => {
    return letters.toSpliced(at, 2, letter, letters[at]!).join('')
  })
  const half = Math.floor(letters.length / 2)
  const start = letters.slice(0, half).join('')
  const mirrored = mirror(word)
  const end = mirror(letters.slice(-half).join(''))
  // The first block of each word, which begins at 0; of about the same length, which SQL Server counts in code units.
  const isLike = (
    column: Sql,
  ) => sql`first_id = 0 and substring(${column}, ${letters.length - 1}, 1) <> ''
    and substring(${column}, ${word.length + 3}, 1) = ''`
  const list = join(
    swapped.map((each) => sql`${each}`),
    ', ',
  )
  const begin = await run(sql`select word from search_words where word in (${list}) and first_id = 0
    union all
    select word from search_words
    where word >= ${start} and word < ${afterPrefix(start)} and ${isLike(raw('word'))}`)
  const close = await run(sql`select mirrored from search_words
    where mirrored >= ${end} and mirrored < ${afterPrefix(end)} and ${isLike(raw('mirrored'))}`)
  const words = [
    ...begin.map(([each]) => String(each)).filter((each) => isOneOff(word, each)),
    ...close
      .map(([each]) => String(each))
      .filter((each) => isOneOff(mirrored, each))
      .map(mirror),
  ]
  return [...new Set(words)].sort()
}
