import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * An index for each order of a list, with the columns that filters look at: what does not match is passed
 * over without reading its row. docs/queries.md says which list uses which.
 */
const indexes = {
  animes_type: ['type', 'episodes', 'id', 'year', 'score'],
  animes_year: ['year', 'id', 'type', 'score'],
  animes_score: ['score', 'id', 'type', 'year'],
  animes_episodes: ['episodes', 'id', 'type', 'year', 'score'],
}

/** The indexes by which lists are filtered and sorted. */
export const listIndexes = ({ name }: Dialect): Migration => ({
  async up(db) {
    for (const [index, columns] of Object.entries(indexes)) {
      const drop = db.schema.dropIndex(index)
      await (name === 'sqlite' ? drop : drop.on('animes')).execute()
      await db.schema.createIndex(index).on('animes').columns(columns).execute()
    }
  },
})
