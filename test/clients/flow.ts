/*
 * The README's flow with a client that is made from the document: openapi-typescript's types and
 * openapi-fetch. The test compiles it under --strict beside the types, and runs it.
 */
import createClient from 'openapi-fetch'
import type { paths } from './types.ts'

const [url = '', adminEmail = '', adminPassword = ''] = process.argv.slice(2)
const api = createClient<paths>({ baseUrl: url })

/** What a client always does first: an error has its problem document, and data is there. */
function expect<T>(answer: { data?: T; error?: { detail: string }; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status}: ${answer.error?.detail}`)
  }
  return answer.data
}

async function signIn(email: string, password: string) {
  const { accessToken } = expect(await api.POST('/v1/signin', { body: { email, password } }))
  return { authorization: `Bearer ${accessToken}` }
}

const list = expect(
  await api.GET('/v1/animes', {
    params: { query: { type: 'TV', genre: ['Action'], sort: '-score', limit: 5 } },
  }),
)
const titles: string[] = list.data.map(({ title }) => title)
const best: number | null | undefined = list.data[0]?.score
console.log(JSON.stringify({ titles: titles.length, best: typeof best, total: list.total > 5 }))

const me = { email: 'me@example.org', password: 'a long pass phrase' }
const user = expect(await api.POST('/v1/signup', { body: me }))
const role: 'user' | 'admin' = user.role
const body = {
  title: 'Frieren',
  type: 'TV',
  year: 2023,
  score: 9.3,
  genres: ['Adventure'],
} as const
const refused = await api.POST('/v1/animes', {
  headers: await signIn(me.email, me.password),
  body: { ...body, genres: [...body.genres] },
})
console.log(JSON.stringify({ role, refused: refused.error?.status, code: refused.error?.code }))

const admin = await signIn(adminEmail, adminPassword)
const added = await api.POST('/v1/animes', {
  headers: admin,
  body: { ...body, genres: [...body.genres] },
})
const { id } = expect(added)
const etag = added.response.headers.get('etag') ?? ''
const changed = await api.PATCH('/v1/animes/{id}', {
  headers: admin,
  params: { path: { id }, header: { 'If-Match': etag } },
  body: { score: 8.27 },
})
const late = await api.PATCH('/v1/animes/{id}', {
  headers: admin,
  params: { path: { id }, header: { 'If-Match': etag } },
  body: { score: 1 },
})
console.log(JSON.stringify({ score: expect(changed).score, late: late.error?.status }))
const found = expect(await api.GET('/v1/animes', { params: { query: { q: 'frieren' } } }))
const removed = await api.DELETE('/v1/animes/{id}', { headers: admin, params: { path: { id } } })
const held = expect(await api.GET('/v1/cache', { headers: admin }))
console.log(
  JSON.stringify({
    found: found.data.some((title) => title.id === id),
    removed: removed.response.status,
    held: held.data.length > 0,
  }),
)
