import type { Generated } from 'kysely'

/** `animes`: one row a title. `genres` repeats `anime_genres` as a JSON array, ready to send. */
export interface AnimeTable {
  id: Generated<number>
  /** The import's key (`animeID` of the CSV); null for titles added through the API. */
  source_id: number | null
  title: string
  type: string
  year: number | null
  score: number | null
  episodes: number | null
  genres: string
}

/** `anime_genres`: one row for each genre of a title, clustered for the genre filter. */
export interface AnimeGenreTable {
  genre: string
  anime_id: number
}

/**
 * `outbox`: what a committed write has changed and the cache has not yet been told.
 * `tags` is the JSON of the write's row images (arrays of tags), or `*` for everything.
 */
export interface OutboxTable {
  id: Generated<number>
  tags: string
  mark: string | null
  created_at: Generated<string>
}

export interface Schema {
  animes: AnimeTable
  anime_genres: AnimeGenreTable
  outbox: OutboxTable
}
