import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { bearer } from '../support/accounts.ts'
import { startApp } from '../support/app.ts'
import { write } from '../support/cache.ts'
import {
  addTitles,
  allTitles,
  bestFirst,
  inOrder,
  matches,
  type SortColumn,
  seeded,
  type Title,
} from '../support/catalogue.ts'

const columns: SortColumn[] = ['id', 'title', 'type', 'year', 'score', 'episodes']
const bothWays = columns.flatMap((column) => [column, `-${column}`])

/** Ties and unknown values in every column, and titles that quoting or folding could spoil. */
const odd: Omit<Title, 'id'>[] = [
  ['zeta', null, null, null],
  ['Zeta', null, 7.5, 12],
  ['ZETA', 2001, null, 12],
  ['zeta', 2001, 7.5, null],
  ['Ärger im Café', 2001, 7.5, 12],
  ['ärger IM CAFÉ', 2001, 7.5, 12],
  ['雪国', 2001, 0, 1],
  ['100% "true" \\ story', 1900, 10, 100_000],
  ["it's_a%wildcard", 2100, 9.99, 1],
  ['', 2100, 9.99, 1],
].map(([title, year, score, episodes], index) => ({
  title: String(title),
  type: index % 2 === 0 ? 'UNKNOWN' : 'MUSIC',
  year: year as number | null,
  score: score as number | null,
  episodes: episodes as number | null,
  genres: index % 3 === 0 ? [] : ['Oddity', "Coup d'etat", 'Sci-Fi'].slice(0, index % 4),
}))

type Query = Record<string, string | string[]>

function urlOf(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) parameters.append(name, each)
  }
  const text = parameters.toString()
  return text === '' ? '/v1/animes' : `/v1/animes?${text}`
}

async function list(t: Test, app: FastifyInstance, query: Query) {
  const answer = await app.inject(urlOf(query))
  if (answer.statusCode !== 200) t.fail(`${urlOf(query)}: ${answer.statusCode} ${answer.body}`)
  return answer.json() as { data: Title[]; total: number; next: string | null }
}

/** Follows `next` to the end, `between` being called before each further page. */
async function allPages(
  t: Test,
  app: FastifyInstance,
  query: Query,
  between: (page: number) => Promise<void> = async () => {},
): Promise<Title[]> {
  const seen: Title[] = []
  let page = await list(t, app, query)
  for (let number = 1; ; number += 1) {
    seen.push(...page.data)
    if (page.next === null) return seen
    t.equal(page.data.length, Number(query.limit), 'a page with a next one is full')
    await between(number)
    page = await list(t, app, { ...query, cursor: page.next })
  }
}

const idsOf = (titles: { id: number }[]) => titles.map(({ id }) => id)

t.test('lists', async (t) => {
  const app = await startApp(t, {}, { titles: 2000 })
  await addTitles(app, odd)
  const titles = await allTitles(app)
  t.equal(titles.length, 2000 + odd.length)

  t.test('without limit a list is whole, in the order of the ids', async (t) => {
    const answer = await app.inject('/v1/animes')
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    t.equal(answer.headers.link, undefined)
    t.strictSame(answer.json(), { data: titles, total: titles.length, next: null })
  })

  const single: Query[] = [
    { type: 'TV' },
    { type: 'UNKNOWN' },
    { genre: 'Sci-Fi' },
    { genre: "Coup d'etat" },
    { genre: ['Sci-Fi', 'Drama'] },
    { genre: ['Drama', 'Sci-Fi', 'Comedy'] },
    { genre: 'sci-fi' },
    { genre: 'No such genre' },
    { year: '2001' },
    { year: '1955' },
    { minYear: '2020' },
    { maxYear: '1990' },
    { minYear: '2001', maxYear: '2001' },
    { minScore: '8.75' },
    { maxScore: '3.2' },
    { minScore: '0', maxScore: '10' },
    { minScore: '10' },
    { q: 'season' },
    { q: 'KYŌTO' },
    { q: 'kyoto gard' },
    { q: 'étoile CAFE' },
    { q: 'ÄRGER' },
    { q: '100%' },
    { q: 'a_wild' },
    { q: '"true" \\' },
    { q: 's a' },
    { q: '国' },
    { q: 'golden garden' },
    { q: 'The' },
    { q: 'no such words' },
  ]
  t.test('each filter keeps what it says and nothing else', async (t) => {
    for (const query of single) {
      const matching = titles.filter((title) => matches(title, query))
      const expected = query.q === undefined ? matching : bestFirst(matching, String(query.q))
      const { data, total, next } = await list(t, app, query)
      t.strictSame(data, expected, urlOf(query))
      t.strictSame([total, next], [expected.length, null])
    }
  })

  t.test('a search for nothing but punctuation is a mistake', async (t) => {
    for (const path of ['', '/suggest']) {
      for (const q of ['%', '_', ' ', "'", '☆ !']) {
        const answer = await app.inject(`/v1/animes${path}?q=${encodeURIComponent(q)}`)
        t.equal(answer.statusCode, 400)
        t.equal(answer.json().detail, 'q has no letter and no digit to search for')
      }
    }
  })

  t.test('pages of a search show each title once, the best first', async (t) => {
    for (const q of ['gar', 'season', 'the of', 'golden garden']) {
      const expected = bestFirst(
        titles.filter((title) => matches(title, { q })),
        q,
      )
      const seen = await allPages(t, app, { q, limit: '13' })
      t.strictSame(idsOf(seen), idsOf(expected), q)
    }
    const { next } = await list(t, app, { q: 'gar', limit: '3' })
    for (const others of ['&sort=-score', '&sort=id']) {
      const answer = await app.inject(`/v1/animes?q=gar&cursor=${next}${others}`)
      t.match(answer.json().detail, /cursor belongs to another sort order/)
    }
    for (const parts of [
      ['best'],
      ['best', 1],
      ['best', -1, 2],
      ['best', 'x', 1],
      ['best', 1, null],
    ]) {
      const cursor = Buffer.from(JSON.stringify(parts)).toString('base64url')
      const answer = await app.inject(`/v1/animes?q=gar&cursor=${cursor}`)
      t.match(answer.json().detail, /is not one that this service gave out/)
    }
  })

  t.test('a word that is one letter off is said to be corrected', async (t) => {
    const answer = await app.inject('/v1/animes?q=gardn+gulden&limit=2')
    t.match(answer.json(), { corrected: 'garden golden' })
    const { total } = await list(t, app, { q: 'garden golden', limit: '2' })
    t.equal(answer.json().total, total)
    t.equal((await app.inject('/v1/animes?q=garden')).json().corrected, undefined)
    // Of the titles that the other filters let pass.
    const none = await app.inject('/v1/animes?q=gardn&genre=No+such+genre')
    t.strictSame(none.json(), { total: 0, next: null, data: [] })
    const suggested = await app.inject('/v1/animes/suggest?q=gardn')
    t.match(suggested.json(), { corrected: 'garden' })
    t.equal(suggested.json().data.length, 10)
    t.strictSame(Object.keys(suggested.json().data[0]), ['id', 'title', 'type', 'year'])
  })

  t.test('filters, sorts and pages combine', async (t) => {
    const random = seeded(7)
    const pick = <T>(from: readonly T[]) => from[random(from.length)]!
    for (let round = 0; round < 150; round += 1) {
      const filters: Query = Object.assign({}, pick(single), pick(single), pick(single))
      if (Number(filters.minYear) > Number(filters.maxYear)) continue
      if (Number(filters.minScore) > Number(filters.maxScore)) continue
      const sort = [...new Set([pick(columns), pick(columns), pick(columns)])]
        .slice(0, 1 + random(3))
        .map((column) => (random(2) === 0 ? column : `-${column}`))
        .join(',')
      const limit = 1 + random(30)
      const expected = inOrder(
        titles.filter((title) => matches(title, filters)),
        sort,
      )
      const page = await list(t, app, { ...filters, sort, limit: String(limit) })
      const name = urlOf({ ...filters, sort, limit: String(limit) })
      t.strictSame(idsOf(page.data), idsOf(expected.slice(0, limit)), name)
      t.strictSame([page.total, page.next !== null], [expected.length, expected.length > limit])
      if (page.next === null) continue
      const rest = await list(t, app, { ...filters, sort, cursor: page.next })
      t.strictSame(idsOf(rest.data), idsOf(expected.slice(limit)), 'a cursor alone gives the rest')
      t.equal(rest.total, expected.length, 'total counts all pages')
    }
  })

  t.test('each column sorts both ways, unknown values last', async (t) => {
    for (const sort of bothWays) {
      const { data } = await list(t, app, { sort })
      t.strictSame(idsOf(data), idsOf(inOrder(titles, sort)), sort)
    }
    for (const first of bothWays) {
      for (const second of bothWays) {
        if (first.replace('-', '') === second.replace('-', '')) continue
        const sort = `${first},${second}`
        const { data } = await list(t, app, { sort, type: 'MUSIC' })
        const music = titles.filter(({ type }) => type === 'MUSIC')
        t.strictSame(idsOf(data), idsOf(inOrder(music, sort)), sort)
      }
    }
  })

  t.test('pages show each title once under ties and unknown values', async (t) => {
    const sorts = [...bothWays, '-score,title', 'year,-score', '-episodes,-year,score', 'type,year']
    for (const sort of sorts) {
      const seen = await allPages(t, app, { type: 'MUSIC', sort, limit: '7' })
      const music = titles.filter(({ type }) => type === 'MUSIC')
      t.strictSame(idsOf(seen), idsOf(inOrder(music, sort)), sort)
    }
    const all = await allPages(t, app, { sort: '-score,year', limit: '97' })
    t.strictSame(idsOf(all), idsOf(inOrder(titles, '-score,year')))
  })

  t.test('the Link of a page leads to the next one with the same filters', async (t) => {
    const seen: number[] = []
    let url: string | undefined = "/v1/animes?genre=Coup+d'etat&genre=Drama&sort=-year&limit=11"
    while (url !== undefined) {
      const answer: LightMyRequestResponse = await app.inject(url)
      t.equal(answer.statusCode, 200)
      seen.push(...idsOf(answer.json().data))
      const next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link))?.[1]
      url =
        next === undefined ? next : new URL(next, `http://x${url}`).href.slice('http://x'.length)
      t.equal(url !== undefined, answer.json().next !== null, 'Link and next go together')
    }
    const both = titles.filter((title) => matches(title, { genre: ["Coup d'etat", 'Drama'] }))
    t.strictSame(seen, idsOf(inOrder(both, '-year')))
  })

  t.test('a page that is just full has no next one', async (t) => {
    const total = titles.filter(({ type }) => type === 'OVA').length
    for (const [limit, more] of [
      [total - 1, true],
      [total, false],
      [total + 1, false],
    ] as const) {
      const { data, next } = await list(t, app, { type: 'OVA', limit: String(limit) })
      t.equal(data.length, Math.min(limit, total))
      t.equal(next !== null, more)
    }
  })

  t.test('a filter that nothing matches gives an empty list', async (t) => {
    const nothing = { data: [], total: 0, next: null }
    t.strictSame(await list(t, app, { genre: 'No such genre' }), nothing)
    t.strictSame(await list(t, app, { genre: 'No such genre', limit: '5' }), nothing)
    const { next } = await list(t, app, { limit: '5' })
    const beyond = await list(t, app, { genre: 'No such genre', limit: '5', cursor: next! })
    t.strictSame(beyond, nothing)
  })

  t.test('fields shows only those columns, in their own order', async (t) => {
    const { data } = await list(t, app, { fields: 'genres,title,score', limit: '1000' })
    t.strictSame(
      data,
      titles.slice(0, 1000).map(({ title, score, genres }) => ({ title, score, genres })),
    )
    t.strictSame(Object.keys(data[0]!), ['title', 'score', 'genres'])
    const { data: whole } = await list(t, app, {
      fields: 'id,title,type,year,score,episodes,genres',
      limit: '3',
    })
    t.strictSame(whole, titles.slice(0, 3))
  })

  t.test('HEAD answers as GET does, without the body', async (t) => {
    for (const url of [
      '/v1/animes?limit=3',
      '/v1/animes/7',
      '/v1/types',
      '/v1/stats',
      '/v1/genres',
    ]) {
      const get = await app.inject(url)
      const head = await app.inject({ method: 'HEAD', url })
      t.equal(head.statusCode, 200)
      t.equal(head.body, '')
      for (const name of ['content-type', 'content-length', 'etag', 'link', 'vary']) {
        t.equal(head.headers[name], get.headers[name], `${url} ${name}`)
      }
    }
    t.equal((await app.inject({ method: 'HEAD', url: '/v1/animes/999999' })).statusCode, 404)
  })

  t.test('one title is found by its id', async (t) => {
    for (const title of [titles[0]!, titles[1999]!, titles.at(-1)!]) {
      const answer = await app.inject(`/v1/animes/${title.id}`)
      t.equal(answer.statusCode, 200)
      t.strictSame(answer.json(), title)
    }
  })

  t.test('counts add up to what the titles say', async (t) => {
    const count = <T extends string | number | null>(values: T[]) => {
      const counts = new Map<T, number>()
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
      return [...counts]
    }
    const named = (values: string[]) =>
      count(values)
        .map(([name, count]) => ({ name, count }))
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    const numbered = (values: (number | null)[]) =>
      count(values)
        .map(([value, count]) => ({ value, count }))
        .sort((a, b) => (a.value ?? Infinity) - (b.value ?? Infinity))
    const types = named(titles.map(({ type }) => type))
    const genres = named(titles.flatMap(({ genres }) => genres))
    t.strictSame((await app.inject('/v1/types')).json(), { data: types })
    t.strictSame((await app.inject('/v1/genres')).json(), { data: genres })
    t.strictSame((await app.inject('/v1/stats')).json(), {
      total: titles.length,
      types,
      genres,
      years: numbered(titles.map(({ year }) => year)),
      scores: numbered(titles.map(({ score }) => (score === null ? null : Math.floor(score)))),
    })
  })
})

t.test('pages while titles are added', async (t) => {
  for (const sort of ['-score,title', 'year', '-id', 'title']) {
    const app = await startApp(t, {}, { titles: 200 })
    const before = new Set(idsOf(await allTitles(app)))
    const seen = await allPages(t, app, { sort, limit: '7' }, async (page) => {
      await addTitles(app, [{ ...odd[page % odd.length]!, title: `added ${page}` }])
    })
    const ids = idsOf(seen)
    t.equal(new Set(ids).size, ids.length, `${sort}: no title twice`)
    const old = ids.filter((id) => before.has(id))
    t.equal(old.length, before.size, `${sort}: every title that was there all along`)
    t.strictSame(ids, idsOf(inOrder(seen, sort)), `${sort}: in order`)
  }
})

t.test('what a client gets wrong', async (t) => {
  const app = await startApp(t, {}, { titles: 50 })
  const cursorFor = async (sort: string) => (await list(t, app, { sort, limit: '5' })).next!
  const made = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const wrong: [url: string, field: string][] = [
    ['/v1/animes?colour=red', 'colour'],
    ['/v1/animes?Type=TV', 'Type'],
    ['/v1/animes?type[]=TV', 'type[]'],
    ['/v1/animes?type=tv', 'type'],
    ['/v1/animes?type=', 'type'],
    ['/v1/animes?type=TV&type=OVA', 'type'],
    ['/v1/animes?genre=', 'genre.0'],
    [`/v1/animes?${'genre=a&'.repeat(9)}`, 'genre'],
    [`/v1/animes?genre=${'x'.repeat(65)}`, 'genre.0'],
    ['/v1/animes?year=abc', 'year'],
    ['/v1/animes?year=2001.5', 'year'],
    ['/v1/animes?year=99999999999999999999', 'year'],
    ['/v1/animes?year=2001&year=2002', 'year'],
    ['/v1/animes?minYear=2002&maxYear=2001', 'minYear'],
    ['/v1/animes?minScore=-1', 'minScore'],
    ['/v1/animes?minScore=NaN', 'minScore'],
    ['/v1/animes?maxScore=Infinity', 'maxScore'],
    ['/v1/animes?minScore=9&maxScore=8', 'minScore'],
    ['/v1/animes?q=', 'q'],
    [`/v1/animes?q=${'x'.repeat(201)}`, 'q'],
    ['/v1/animes?sort=colour', 'sort'],
    ['/v1/animes?sort=', 'sort'],
    ['/v1/animes?sort=--score', 'sort'],
    ['/v1/animes?sort=score,', 'sort'],
    ['/v1/animes?sort=score,-score', 'sort'],
    ['/v1/animes?sort=genres', 'sort'],
    ['/v1/animes?fields=', 'fields'],
    ['/v1/animes?fields=id,source_id', 'fields'],
    ['/v1/animes?limit=0', 'limit'],
    ['/v1/animes?limit=-5', 'limit'],
    ['/v1/animes?limit=1001', 'limit'],
    ['/v1/animes?limit=ten', 'limit'],
    ['/v1/animes?limit=', 'limit'],
    ['/v1/animes?limit=5&limit=5', 'limit'],
    ['/v1/animes?limit=5&cursor=', 'cursor'],
    ['/v1/animes?limit=5&cursor=rubbish', 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', 5])}!!`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', 5])}==`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${'x'.repeat(2049)}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made({})}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made([])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(null)}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id'])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', null])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', '5'])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', 5, 6])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', [5]])}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${made(['id', 1e300])}`, 'cursor'],
    [`/v1/animes?limit=5&sort=title&cursor=${made(['title,id', 5, 5])}`, 'cursor'],
    [`/v1/animes?limit=5&sort=title&cursor=${made(['title,id', null, 5])}`, 'cursor'],
    [`/v1/animes?limit=5&sort=-score&cursor=${await cursorFor('score')}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${await cursorFor('score')}`, 'cursor'],
    [`/v1/animes?limit=5&cursor=${(await cursorFor('id')).slice(0, -3)}`, 'cursor'],
    ['/v1/animes/0', 'id'],
    ['/v1/animes/abc', 'id'],
    ['/v1/animes/1.5', 'id'],
    ['/v1/animes/-1', 'id'],
    ['/v1/animes/99999999999', 'id'],
    ['/v1/animes/1?fields=id', 'fields'],
    ['/v1/types?limit=5', 'limit'],
    ['/v1/genres?q=a', 'q'],
    ['/v1/stats?x', 'x'],
  ]
  for (const [url, field] of wrong) {
    const answer = await app.inject(url)
    t.equal(answer.statusCode, 400, url)
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
    t.equal(answer.headers['cache-control'], 'no-store')
    const problem = answer.json()
    t.match(problem, { type: 'about:blank', title: 'Bad Request', status: 400, instance: url })
    t.type(problem.detail, 'string')
    t.ok(
      problem.errors.some((error: { field: string }) => error.field === field),
      `${url} names ${field}: ${answer.body}`,
    )
  }
  const missing = await app.inject('/v1/animes/999999')
  t.equal(missing.statusCode, 404)
  t.match(missing.json(), { status: 404, detail: 'there is no anime 999999' })
})

t.test('PATCH and DELETE evaluate If-Match and If-None-Match (RFC 9110, 13.2.2)', async (t) => {
  const app = await startApp(t, {}, { titles: 3 })
  const url = '/v1/animes/2'
  const etag = String((await app.inject(url)).headers.etag)
  const ask = async (method: 'PATCH' | 'DELETE', conditions: Record<string, string>) => {
    const headers = { ...bearer(app, 'admin'), ...conditions }
    const payload = method === 'PATCH' ? { score: 8 } : undefined
    return (await app.inject({ method, url, headers, ...(payload && { payload }) })).statusCode
  }
  for (const method of ['PATCH', 'DELETE'] as const) {
    for (const field of ['"other"', `W/${etag}`, '']) {
      t.equal(await ask(method, { 'if-match': field }), 412, `${method}, If-Match: ${field}`)
    }
    for (const field of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      t.equal(
        await ask(method, { 'if-none-match': field }),
        412,
        `${method}, If-None-Match: ${field}`,
      )
    }
  }
  t.equal((await app.inject(url)).headers.etag, etag, 'nothing was changed')
  t.equal(await ask('PATCH', { 'if-match': etag, 'if-none-match': '"other"' }), 200)
  t.equal(await ask('DELETE', { 'if-match': etag }), 412, 'the title has changed since')
  t.equal(await ask('DELETE', { 'if-match': '*' }), 204)
})

t.test('half a character in a genre or title is refused', async (t) => {
  const app = await startApp(t)
  for (const row of [{ title: 'A', genres: ['\ud800'] }, { title: 'A\udc00' }]) {
    t.equal((await write(app, 'POST', '/v1/animes', row)).status, 400)
  }
  t.equal((await write(app, 'POST', '/v1/animes', { title: 'A 🎌' })).status, 201)
})

t.test('a score is kept and shown with two decimals', async (t) => {
  const app = await startApp(t)
  const added = await write(app, 'POST', '/v1/animes', { title: 'A', score: 8.7500000001 })
  t.match(added, { status: 201, body: { score: 8.75 } })
  const { id } = added.body
  t.equal((await app.inject(`/v1/animes/${id}`)).json().score, 8.75)
  t.equal((await app.inject('/v1/animes?maxScore=8.75')).json().total, 1)
  const changed = await write(app, 'PATCH', `/v1/animes/${id}`, { score: 9.3400000001 })
  t.match(changed, { status: 200, body: { score: 9.34 } })
  t.equal((await write(app, 'PATCH', `/v1/animes/${id}`, { score: 9.345 })).status, 400)
  t.equal((await write(app, 'PATCH', `/v1/animes/${id}`, { score: null })).body.score, null)
})

t.test('a length is that of the import and the database: UTF-16 units', async (t) => {
  const app = await startApp(t)
  const add = async (row: object) => (await write(app, 'POST', '/v1/animes', row)).status
  t.equal(await add({ title: '🎌'.repeat(201) }), 400)
  t.equal(await add({ title: '🎌'.repeat(200) }), 201)
  t.equal(await add({ title: 'A', genres: ['🎌'.repeat(33)] }), 400)
  t.equal(await add({ title: 'A', genres: ['🎌'.repeat(32)] }), 201)
  t.equal(
    (await app.inject(`/v1/animes?q=${encodeURIComponent(`a${'🎌'.repeat(100)}`)}`)).statusCode,
    400,
  )
})

t.test('a slash at the end makes no difference', async (t) => {
  const app = await startApp(t, {}, { titles: 5 })
  for (const path of ['/v1/animes', '/v1/types', '/v1/animes/3', '/health/live']) {
    const [plain, slash] = [await app.inject(path), await app.inject(`${path}/`)]
    t.equal(slash.statusCode, 200, path)
    t.equal(slash.body, plain.body)
  }
  const other = await app.inject({ method: 'PUT', url: '/v1/types/' })
  t.equal(other.statusCode, 405)
})

t.test('Link and Location hold under whatever path a proxy mounts the service', async (t) => {
  const app = await startApp(t, {}, { titles: 5 })
  // The proxy takes /shop/catalogue away; the client knows the whole URL.
  const ask = async (url: string, options: object = {}) => {
    const answer = await app.inject({
      url: url.replace('https://x/shop/catalogue', ''),
      ...options,
    })
    const reference = /<(.+)>/.exec(String(answer.headers.link))?.[1] ?? answer.headers.location
    return { answer, next: new URL(String(reference), url).href }
  }
  const base = 'https://x/shop/catalogue/v1/animes'
  for (const slash of ['', '/']) {
    const { next } = await ask(`${base}${slash}?type=TV&limit=1&sort=-score`)
    t.match(next, `${base}${slash}?type=TV&`)
    t.equal((await ask(next)).answer.statusCode, 200)
    const headers = bearer(app, 'admin')
    const added = await ask(`${base}${slash}`, {
      method: 'POST',
      headers,
      payload: { title: `New${slash}` },
    })
    t.equal(added.next, `${base}/${added.answer.json().id}`)
  }
})

t.test('genre[]= and genre[0]= are told how several values are written', async (t) => {
  const app = await startApp(t)
  for (const field of ['genre[]', 'genre[0]']) {
    const answer = await app.inject(`/v1/animes?${encodeURIComponent(field)}=Drama`)
    t.equal(answer.statusCode, 400)
    t.match(answer.json().errors, [{ field, message: /genre=A&genre=B/ }])
  }
})
