import { type CompiledQuery, type DatabaseConnection, type Driver, Kysely } from 'kysely'
import t from 'tap'
import { type AnimeFilters, animeColumns, sortable } from '../../catalogue/columns.ts'
import { deleteAnime, findAnime, insertAnime, lockAnime, updateAnime } from '../../db/animes.ts'
import { databaseName } from '../../db/database-name.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { mssql } from '../../db/dialects/mssql.ts'
import { dialectOver } from '../../db/dialects/mssql-driver.ts'
import { catalogue } from '../../db/migrations/0001-catalogue.ts'
import { accounts } from '../../db/migrations/0002-accounts.ts'
import { importProcedure } from '../../db/migrations/0003-import-procedure.ts'
import { databaseName as nameDatabase } from '../../db/migrations/0004-database-name.ts'
import { merge } from '../../db/migrations/0005-merge.ts'
import { listIndexes } from '../../db/migrations/0006-list-indexes.ts'
import type { CursorValues } from '../../db/order.ts'
import { deleteOutbox, deleteOutboxByMark, insertOutbox, readOutbox } from '../../db/outbox.ts'
import { changePassword } from '../../db/passwords.ts'
import { countAnimes } from '../../db/reads/counts.ts'
import { findMatching, type ListQuery, readPage } from '../../db/reads/list.ts'
import { mssqlReads } from '../../db/reads/mssql-dialect.ts'
import { runRead } from '../../db/reads/read.ts'
import { defaultBounds, type ReadSession } from '../../db/reads/session.ts'
import { textOf } from '../../db/reads/sql.ts'
import {
  beginSession,
  endSessions,
  findSession,
  isKnownAddress,
  rotateToken,
} from '../../db/refresh-tokens.ts'
import type { Schema } from '../../db/schema.ts'
import { createSetCache } from '../../db/search/set-cache.ts'
import { deleteUser, findUser, insertUser, listUsers, updateUser } from '../../db/users.ts'
import { sortBy } from '../support/reads.ts'

/** A SQL Server that takes every statement down and answers each with one row. */
function recorder() {
  let statements: string[] = []
  const connection: DatabaseConnection = {
    executeQuery: async <R>({ sql, parameters }: CompiledQuery) => {
      const lines = sql.split('\n').map((line) => line.trim())
      const types = parameters.map((value) => typeof value).join(', ')
      statements.push(`${lines.join('\n').trim()}${types === '' ? '' : `\n-- ${types}`}`)
      const account = { role: 'user', password_hash: null, firebase_uid: null, used_at: null }
      return { rows: [{ id: 1, total: 0, ...account }] as R[], numAffectedRows: 1n }
    },
    streamQuery: () => {
      throw new Error('no streams')
    },
  }
  const say = (what: string) => async () => {
    statements.push(what)
  }
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: say('begin'),
    commitTransaction: say('commit'),
    rollbackTransaction: say('rollback'),
    releaseConnection: async () => {},
    destroy: async () => {},
  }
  const db = new Kysely<Schema>({ dialect: dialectOver(driver) })
  const nothing = async () => {}
  const database: Database = {
    dialect: mssql,
    reader: db,
    writer: db,
    read: async () => undefined,
    admit: () => {},
    connect: nothing,
    close: nothing,
  }
  const statementsOf = async (work: () => Promise<unknown>) => {
    statements = []
    await work()
    return `\n${statements.join('\n;\n')}\n`
  }
  return { database, db, statementsOf }
}

const { database, db, statementsOf } = recorder()

/*
 * What SQL Server is sent, word for word: a change of it is seen here without a server. When it was
 * meant, `npx tap --snapshot test/db/mssql-sql.test.ts` takes it over.
 */
t.test('lists', async (t) => {
  const query = (filters: AnimeFilters, sort = '', cursor?: CursorValues): ListQuery => ({
    filters,
    sort: sortBy(sort),
    cursor,
    limit: 20,
  })
  const filters: AnimeFilters[] = [
    {},
    { type: 'TV' },
    { genre: ['Action', 'Drama'] },
    { year: 2001 },
    { minYear: 1999, maxYear: 2005, minScore: 7.5, maxScore: 9 },
    { type: 'TV', genre: ['Drama'], year: 2001, minScore: 8 },
  ]
  for (const each of filters) {
    t.matchSnapshot(await readsOf((session) => findMatching(session, each)), JSON.stringify(each))
  }
  for (const column of sortable) {
    for (const key of [column, `-${column}`]) {
      const sent = await readsOf((session) => readPage(session, query({}, key), { total: 9999 }))
      t.matchSnapshot(sent, `by ${key}`)
    }
  }
  const pages: [string, CursorValues][] = [
    ['-score,title', [8.5, 'x', 7]],
    ['-score,title', [null, 'x', 7]],
    ['year', [2001, 7]],
    ['', [7]],
  ]
  for (const [sort, cursor] of pages) {
    const page = query({ type: 'TV' }, sort, cursor)
    const sent = await readsOf((session) => readPage(session, page, { total: 9999 }))
    t.matchSnapshot(sent, `after ${JSON.stringify(cursor)}`)
    const few = await readsOf((session) => readPage(session, page, { total: 2, ids: [1, 2] }))
    t.matchSnapshot(few, `of few, after ${JSON.stringify(cursor)}`)
  }
})

t.test('a search, and a suggestion', async (t) => {
  const found = { filters: { q: 'cowboy 雪国', type: 'TV' }, sort: [], bestFirst: true, limit: 20 }
  for (const query of [found, { ...found, filters: { q: 'cowboy bebop' } }]) {
    const read = { what: 'list', query, columns: animeColumns } as const
    t.matchSnapshot(await readsOf((session) => runRead(session, read)), query.filters.q)
  }
  const sent = await readsOf((session) => runRead(session, { what: 'suggest', q: 'cow' }))
  t.matchSnapshot(sent, 'suggest')
})

t.test('one title, and the counts', async (t) => {
  t.matchSnapshot(await statementsOf(() => findAnime(db, 7)), 'find')
  t.matchSnapshot(await readsOf((session) => runRead(session, { what: 'title', id: 7 })), 'read')
  t.matchSnapshot(await readsOf(countAnimes), 'counts')
})

/** A read's statements, each of which gives nothing but numbers, and several words. */
async function readsOf(read: (session: ReadSession) => Promise<unknown>): Promise<string> {
  const statements: string[] = []
  const session: ReadSession = {
    bounds: defaultBounds,
    dialect: mssqlReads,
    setCache: createSetCache(0),
    rows(statement) {
      const text = textOf(statement, mssqlReads.placeholder)
      const types = statement.values.map((value) => typeof value).join(', ')
      statements.push(`${text.replaceAll(/\s+/g, ' ').trim()}${types && `\n-- ${types}`}`)
      if (/min\(word\)/.test(text)) return [['cow', 'cows']]
      if (/nullif/.test(text)) return [[90_000, 90_000, 90_000]]
      if (/count|max\(a?\.?id/.test(text)) return [[90_000]]
      return /(max|min)\(/.test(text) ? [[null]] : []
    },
    batches: () => [],
  }
  await read(session)
  return `\n${statements.join('\n;\n')}\n`
}

t.test('writes', async (t) => {
  const values = {
    title: 'x',
    type: 'TV',
    year: null,
    score: 8.5,
    episodes: 1,
    genres: '["A","B"]',
  }
  const write = (work: (trx: Parameters<typeof updateAnime>[0]) => Promise<unknown>) =>
    statementsOf(() => db.transaction().execute(work))
  t.matchSnapshot(await write((trx) => insertAnime(database, trx, values)), 'insert')
  t.matchSnapshot(await write((trx) => lockAnime(database, trx, 7)), 'lock')
  const changed = await write((trx) => updateAnime(trx, { id: 7, ...values }, { genres: '["C"]' }))
  t.matchSnapshot(changed, 'update')
  t.matchSnapshot(await write((trx) => deleteAnime(trx, { id: 7, ...values })), 'delete')
  t.matchSnapshot(await write((trx) => insertOutbox(trx, '[["all"]]', 'mark')), 'outbox: insert')
  t.matchSnapshot(await statementsOf(() => readOutbox(db)), 'outbox: read')
  t.matchSnapshot(await statementsOf(() => deleteOutbox(db, [1, 2])), 'outbox: delete')
  t.matchSnapshot(await statementsOf(() => deleteOutboxByMark(db, 'mark')), 'outbox: delete mark')
  t.matchSnapshot(await statementsOf(() => databaseName(db)), 'database name')
})

t.test('accounts', async (t) => {
  const session = { family: 'f', user_id: 1, address: 'a', signed_in_at: 't' }
  const token = { hash: 'h', expires_at: 't' }
  const user = { email: 'a@b', role: 'user' as const }
  const row = { id: 1, ...user, password_hash: null, firebase_uid: null, created_at: 't' }
  const works: Record<string, () => Promise<unknown>> = {
    'find user': () => findUser(db, { email: 'a@b' }),
    'insert user': () => insertUser(database, user),
    'update user': () => updateUser(database, 1, { role: 'admin' }),
    'change password': () => changePassword(database, row, 'i'),
    'delete user': () => deleteUser(database, 1),
    'list users': () => listUsers(database),
    'begin session': () => beginSession(database, row, session, token),
    'find session': () => findSession(database, 'h'),
    'rotate token': () => rotateToken(database, session, 'h', token, 30),
    'end sessions': () => endSessions(database, { user_id: 1 }),
    'known address': () => isKnownAddress(database, 'a@b', 'a'),
  }
  for (const [name, work] of Object.entries(works)) t.matchSnapshot(await statementsOf(work), name)
})

t.test('migrations', async (t) => {
  const migrations = { catalogue, accounts, importProcedure, nameDatabase, merge, listIndexes }
  for (const [name, make] of Object.entries(migrations)) {
    t.matchSnapshot(await statementsOf(() => make(mssql).up(db)), name)
  }
  t.matchSnapshot(await statementsOf(() => mssql.prepare(db)), 'prepare')
  t.matchSnapshot(await statementsOf(() => db.transaction().execute(mssql.lockSchema)), 'lock')
})
