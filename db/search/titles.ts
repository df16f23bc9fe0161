import type { Transaction } from 'kysely'
import { join, sql } from '../reads/sql.ts'
import type { Schema } from '../schema.ts'
import { createWordChanges } from './entries.ts'
import { type RunSql, runOn } from './rows.ts'
import { applyWordChanges } from './write.ts'

/** What the words of a title are made of. */
export interface Searched {
  title: string
  score: number | null
}

/**
 * Keeps the words in step with a title that was added (no `before`), changed or removed (no `after`),
 * in the transaction that does it.
 */
export async function changeWordsOf(
  trx: Transaction<Schema>,
  id: number,
  before: Searched | undefined,
  after: Searched | undefined,
): Promise<void> {
  if (before?.title === after?.title && before?.score === after?.score) return
  const changes = createWordChanges()
  if (before !== undefined && before.title !== after?.title) changes.remove(id, before.title)
  if (after !== undefined) changes.add(id, after.title, after.score)
  await applyWordChanges(runOn(trx), changes.take())
}

/** Titles of a statement that sets normal forms: two and a half thousand parameters would be too many. */
const titlesAtATime = 200

/** Sets the normal forms of titles. */
export async function setSortTitles(
  run: RunSql,
  titles: { id: number; sortTitle: string }[],
): Promise<void> {
  for (let at = 0; at < titles.length; at += titlesAtATime) {
    const some = titles.slice(at, at + titlesAtATime)
    const cases = some.map(({ id, sortTitle }) => sql`when ${id} then ${sortTitle}`)
    const ids = some.map(({ id }) => sql`${id}`)
    await run(sql`update animes set sort_title = case id ${join(cases, ' ')} end
      where id in (${join(ids, ', ')})`)
  }
}
