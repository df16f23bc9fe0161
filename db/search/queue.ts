import type { Database } from '../dialects/dialect.ts'
import { insertOutbox } from '../outbox.ts'
import { sql } from '../reads/sql.ts'
import { createWordChanges } from './entries.ts'
import { type RunSql, runOn } from './rows.ts'
import { setSortTitles } from './titles.ts'
import { applyWordChanges } from './write.ts'

/** Rows of the queue taken at a time, and entries gathered before they are written. */
const rowsAtATime = 5000
const entriesAtATime = 500_000

type Queued = [
  queueId: number,
  id: number,
  before: string | null,
  title: string | null,
  score: number | null,
  sortTitle: string | null,
]

/**
 * Brings the words of the titles in `search_queue` up to date and empties it, in one transaction that
 * holds the lock on the words. Gives the number of rows. `isAlone`: no other session can add to the queue.
 */
export async function applyQueue(run: RunSql, { isAlone = false } = {}): Promise<number> {
  const changes = createWordChanges()
  // A title may be queued several times; what it now is, is added once.
  let added = new Set<number>()
  let taken = 0
  for (let last = 0; ; ) {
    const rows = (await run(sql`
      select top (${rowsAtATime}) q.id, q.anime_id, q.title as before, a.title, a.score, a.sort_title
      from search_queue q left join animes a on a.id = q.anime_id
      where q.id > ${last} order by q.id`)) as Queued[]
    if (rows.length === 0) break
    const sortTitles: { id: number; sortTitle: string }[] = []
    for (const [, id, before, title, score, sorted] of rows) {
      if (before !== null && before !== title) changes.remove(id, before)
      if (title === null || added.has(id)) continue
      added.add(id)
      const sortTitle = changes.add(id, title, score)
      if (sortTitle !== sorted) sortTitles.push({ id, sortTitle })
    }
    await setSortTitles(run, sortTitles)
    last = rows.at(-1)![0]
    taken += rows.length
    await run(isAlone ? sql`delete from search_queue where id <= ${last}` : deleteRows(rows))
    if (changes.size < entriesAtATime) continue
    await applyWordChanges(run, changes.take())
    added = new Set()
  }
  await applyWordChanges(run, changes.take())
  return taken
}

/** By their ids: a lesser one may be committed only now. */
const deleteRows = (rows: Queued[]) =>
  sql`delete from search_queue where id in (
    select cast(value as int) from openjson(${JSON.stringify(rows.map(([queueId]) => queueId))}))`

/** Applies the queue if something was loaded past the API, and invalidates the cache. */
export async function indexQueued({ dialect, reader, writer }: Database): Promise<void> {
  if (dialect.name === 'sqlite') return
  const some = await reader.selectFrom('search_queue').select('id').top(1).executeTakeFirst()
  if (some === undefined) return
  await writer.transaction().execute(async (trx) => {
    await dialect.lockWords(trx)
    if ((await applyQueue(runOn(trx))) > 0) await insertOutbox(trx, '*', null)
  })
}
