import t from 'tap'
import { insertAnime } from '../../db/animes.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { acceptForm } from '../../routes/list-format.ts'
import { bearer } from '../support/accounts.ts'
import { startApp } from '../support/app.ts'
import { hostileTitles } from '../support/hostile.ts'

const csv = 'text/csv'
const ndjson = 'application/x-ndjson'

t.test(
  'a list is JSON, CSV or NDJSON, as Accept asks, each cached under its own key',
  async (t) => {
    const app = await startApp(t, {}, { titles: 30 })
    const get = (accept: string | undefined, url = '/v1/animes?type=TV&sort=-score&limit=2') =>
      app.inject({ url, headers: accept === undefined ? {} : { accept } })
    const plain = JSON.parse((await get(undefined)).body)
    for (const round of ['miss', 'hit']) {
      const asCsv = await get(csv)
      t.match(asCsv.headers, {
        'content-type': 'text/csv; charset=utf-8; header=present',
        vary: /accept/i,
        'cache-status': new RegExp(`${round}.*accept=csv|accept=csv.*${round}|${round}`),
        link: /rel="next"/,
      })
      const [head, ...rows] = asCsv.body.split('\r\n')
      t.equal(head, 'anime_api_id,title,type,year,score,episodes,genres')
      t.equal(rows.length, 3)
      t.ok(rows[0]!.startsWith(`${plain.data[0].id},`))
      const lines = (await get(ndjson)).body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      t.same(
        lines.map(({ anime_api_id: id, ...title }) => ({ id, ...title })),
        plain.data,
      )
    }
    t.same(JSON.parse((await get('application/json')).body), plain, 'and JSON is as it was')
    t.not((await get(csv)).headers.etag, (await get(ndjson)).headers.etag)
    const { etag } = (await get(csv)).headers
    const again = await app.inject({
      url: '/v1/animes?type=TV&sort=-score&limit=2',
      headers: { accept: csv, 'if-none-match': String(etag) },
    })
    t.equal(again.statusCode, 304)
    t.equal(
      (await get(csv, '/v1/animes?fields=title,year&limit=1')).body.split('\r\n')[0],
      'title,year',
    )
    t.equal((await get(csv, '/v1/animes?q=nothing-has-this')).body.split('\r\n').length, 2)
    t.equal((await get(ndjson, '/v1/animes?q=nothing-has-this')).body, '')
  },
)

t.test('what Accept asks for is weighed', async (t) => {
  const forms: [string | undefined, string][] = [
    [undefined, ''],
    ['*/*', ''],
    ['text/html,application/xhtml+xml,*/*;q=0.8', ''],
    ['application/json', ''],
    ['text/csv', 'csv'],
    ['TEXT/CSV;q=0.5, application/x-ndjson', 'ndjson'],
    ['text/*', 'csv'],
    ['application/json;q=0, */*;q=0.1', 'csv'],
    ['text/html', 'none'],
    ['image/png, text/csv;q=0', 'none'],
    ['', ''],
  ]
  for (const [accept, form] of forms) t.equal(acceptForm(accept), form, String(accept))
})

t.test('a format that is not offered is 406 and names those that are', async (t) => {
  const app = await startApp(t, {}, { titles: 3 })
  for (const _round of [1, 2]) {
    const answer = await app.inject({ url: '/v1/animes', headers: { accept: 'text/html' } })
    t.equal(answer.statusCode, 406)
    t.match(answer.json(), {
      code: 'NOT_ACCEPTABLE',
      detail: 'a list is sent as application/json, text/csv, application/x-ndjson',
    })
  }
})

t.test('a write is in the next answer of every format', async (t) => {
  const app = await startApp(t, {}, { titles: 3 })
  const lengths = async () => {
    const answers = [csv, ndjson].map((accept) =>
      app.inject({ url: '/v1/animes', headers: { accept } }),
    )
    return (await Promise.all(answers)).map(({ body }) => body.split('\n').length)
  }
  t.same(await lengths(), [5, 4])
  t.same(await lengths(), [5, 4])
  const added = await app.inject({
    method: 'POST',
    url: '/v1/animes',
    headers: bearer(app, 'admin'),
    payload: { title: 'New' },
  })
  t.equal(added.statusCode, 201)
  t.same(await lengths(), [6, 5])
})

t.test('an import of what was given over HTTP changes nothing, hostile titles too', async (t) => {
  const app = await startApp(t, {}, { titles: 700 })
  const { database, config } = app
  await database.writer.transaction().execute(async (trx) => {
    for (const values of hostileTitles) await insertAnime(database, trx, values)
  })
  for (const accept of [csv, ndjson]) {
    const { body } = await app.inject({
      url: '/v1/animes?maxScore=10&sort=title',
      headers: { accept },
    })
    const summary = await importCatalogue([body], openStage(config.DATABASE_URL))
    t.match(summary, { added: 0, changed: 0, removed: 0, rejected: 0 }, accept)
    t.ok(summary.unchanged > 400)
  }
  const { body } = await app.inject({ url: '/v1/animes' })
  const summary = await importCatalogue([body], openStage(config.DATABASE_URL), {
    dryRun: true,
  })
  t.match(summary, { removed: 0 }, 'the JSON answer is told by title, type and year')
})
