import { afterPrefix } from '../../catalogue/words.ts'
import { sql } from '../reads/sql.ts'
import type { RunSql } from './rows.ts'
import { mirror } from './write.ts'

/** Fewer letters are too many other words. */
const shortest = 5

/** Whether one letter inserted, deleted or replaced, or two that change places, make `b` of `a`. */
function isOneOff(a: string, b: string): boolean {
  const [x, y] = [[...a], [...b]]
  if (Math.abs(x.length - y.length) > 1) return false
  let start = 0
  while (start < x.length && x[start] === y[start]) start += 1
  const rest = (letters: string[], from: number) => letters.slice(from).join('')
  if (x.length > y.length) return rest(x, start + 1) === rest(y, start)
  if (x.length < y.length) return rest(x, start) === rest(y, start + 1)
  if (start === x.length) return false
  if (rest(x, start + 1) === rest(y, start + 1)) return true
  const swapped = x[start] === y[start + 1] && x[start + 1] === y[start]
  return swapped && rest(x, start + 2) === rest(y, start + 2)
}

/**
 * The words of titles that differ from `word` by one letter, in order. Whatever the letter, the first
 * half of the word or its last half stands unchanged, and each has an index.
 */
export async function wordsOneOff(run: RunSql, word: string): Promise<string[]> {
  const letters = [...word]
  if (letters.length < shortest) return []
  const half = Math.floor((letters.length - 1) / 2)
  const start = letters.slice(0, half).join('')
  const end = mirror(letters.slice(-half).join(''))
  // The first block of each word, which begins at 0.
  const begin = await run(sql`select word from search_words
    where word >= ${start} and word < ${afterPrefix(start)} and first_id = 0`)
  const close = await run(sql`select mirrored from search_words
    where mirrored >= ${end} and mirrored < ${afterPrefix(end)} and first_id = 0`)
  const words = [
    ...begin.map(([each]) => String(each)),
    ...close.map(([each]) => mirror(`${each}`)),
  ]
  return [...new Set(words)].filter((each) => isOneOff(word, each)).sort()
}
