import type { Generated } from 'kysely'
import type { StoredValues } from '../catalogue/columns.ts'

/** `animes`: one row a title. `genres` repeats `anime_genres` as a JSON array, ready to send. */
export interface AnimeTable extends StoredValues {
  id: Generated<number>
  /** The import's key (`animeID` of the CSV); null for titles added through the API. */
  source_id: number | null
  /** The title's normal form, by which it is sorted; see catalogue/words.ts. */
  sort_title: Generated<string>
}

/** `anime_genres`: one row for each genre of a title, clustered for the genre filter. */
interface AnimeGenreTable {
  genre: string
  anime_id: number
}

/** `search_queue`, on SQL Server: titles that were loaded and whose words are not up to date yet. */
interface SearchQueueTable {
  id: Generated<number>
  anime_id: number
  /** The title before; null for one that was added. */
  title: string | null
}

/** `search_words`: the titles that have a word, in blocks; see search/entries.ts. */
interface SearchWordTable {
  id: Generated<number>
  word: string
  /** The word backwards. */
  mirrored: string
  /** The least title id that the block may hold; 0 for the first of a word. */
  first_id: number
  entries: Uint8Array
}

/**
 * `outbox`: what a committed write has changed and no cache may know yet.
 * `tags` is the JSON of the write's row images (arrays of tags), or `*` for everything.
 */
interface OutboxTable {
  id: Generated<number>
  tags: string
  mark: string | null
  created_at: Generated<string>
}

/** `users`: one row an account. Who signs in through Firebase has a uid, the others a hash. */
export interface UserTable {
  id: Generated<number>
  /** In lower case. */
  email: string
  role: 'user' | 'admin'
  /** A PHC string; see plugins/accounts/scrypt.ts. */
  password_hash: string | null
  firebase_uid: string | null
  created_at: string
}

/** `refresh_tokens`: one row each that was given out; a family is a session. */
export interface RefreshTokenTable {
  /** SHA-256 of the token, base64url. */
  hash: string
  family: string
  user_id: number
  /** Keyed hash of the address that the session began from. */
  address: string
  signed_in_at: string
  expires_at: string
  /** When it was first exchanged; the start of 1970 once its session has ended. */
  used_at: string | null
}

/** `database_name`: one row, the database's own random name. */
interface DatabaseNameTable {
  name: string
}

/** `idempotency_keys`: one row for each write that came with an `Idempotency-Key`, for 24 hours. */
interface IdempotencyKeyTable {
  /** SHA-256 of user and key, base64url. */
  hash: string
  /** SHA-256 of the request. */
  fingerprint: string
  created_at: string
  /** JSON of the answer; null only within the transaction of the write. */
  answer: string | null
}

export interface Schema {
  animes: AnimeTable
  anime_genres: AnimeGenreTable
  search_words: SearchWordTable
  search_queue: SearchQueueTable
  outbox: OutboxTable
  users: UserTable
  refresh_tokens: RefreshTokenTable
  database_name: DatabaseNameTable
  idempotency_keys: IdempotencyKeyTable
}
