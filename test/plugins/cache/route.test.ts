import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type CacheInput, type CacheKey, cached } from '../../../plugins/cache/index.ts'
import { startApp } from '../../support/app.ts'
import { get } from '../../support/cache.ts'

const tags = ['all']
const keyed = (key: string) => () => ({ key, tags })

/** The service with a route of the test's own. */
const serve = (t: Test, prepare: (app: FastifyInstance) => void, logged: object[] = []) =>
  startApp(
    t,
    {},
    {
      prepare,
      logger: { level: 'warn', stream: { write: (line: string) => logged.push(JSON.parse(line)) } },
    },
  )

t.test('a route that varies on a field keeps an answer for each of its normal forms', async (t) => {
  const app = await serve(t, (app) => {
    app.get(
      '/hello',
      cached({
        vary: { 'accept-language': (field = '') => field.slice(0, 2) },
        key: keyed('hello'),
        read: async ({ vary }) => ({ lang: vary['accept-language'] }),
      }),
    )
  })
  const ask = async (language: string) => {
    const { headers, body } = await app.inject({
      url: '/hello',
      headers: { 'accept-language': language },
    })
    t.match(headers.vary, /accept-language/)
    return `${body} ${/hit|miss/.exec(String(headers['cache-status']))![0]}`
  }
  t.equal(await ask('en'), '{"lang":"en"} miss')
  t.equal(await ask('fr'), '{"lang":"fr"} miss')
  t.equal(await ask('en-GB'), '{"lang":"en"} hit')
  t.equal(await ask('fr-CH'), '{"lang":"fr"} hit')
  t.same([...app.cache.memory.values()].map(({ key }) => key).sort(), [
    'hello;accept-language=en',
    'hello;accept-language=fr',
  ])
})

t.test('two versions of one URL do not share an answer', async (t) => {
  const app = await serve(t, (app) => {
    for (const version of ['1.0.0', '2.0.0']) {
      app.route({
        method: 'GET',
        url: '/versioned',
        constraints: { version },
        ...cached({ key: keyed(`v:${version}`), read: async () => ({ version }) }),
      })
    }
  })
  for (const expected of ['miss', 'hit']) {
    for (const version of ['1.0.0', '2.0.0']) {
      const answer = await app.inject({ url: '/versioned', headers: { 'accept-version': version } })
      t.equal(answer.body, JSON.stringify({ version }))
      t.match(answer.headers['cache-status'], expected)
    }
  }
})

t.test('an answer with Set-Cookie is never stored, nor are fields off the list', async (t) => {
  let request = 0
  const app = await serve(t, (app) => {
    app.addHook('onRequest', async (_request, reply) => {
      request += 1
      reply.header('x-request-id', String(request))
    })
    app.get('/plain', cached({ key: keyed('plain'), read: async () => ({ a: 1 }) }))
    app.register(async (inner) => {
      inner.addHook('onSend', async (_request, reply) => {
        reply.header('set-cookie', `session=${request}`)
      })
      inner.get('/cookie', cached({ key: keyed('cookie'), read: async () => ({ a: 1 }) }))
    })
  })
  for (const session of [1, 2]) {
    const { headers } = await get(app, '/cookie')
    t.equal(headers['set-cookie'], `session=${session}`)
    t.match(headers['cache-status'], 'fwd=miss; detail=set-cookie')
  }
  t.equal((await get(app, '/plain')).headers['x-request-id'], '3')
  const hit = await get(app, '/plain')
  t.match(hit.cache, '; hit;')
  t.equal(hit.headers['x-request-id'], undefined, 'not the id of another request')
})

t.test('what a query returns is what is audited: text, bytes, objects', async (t) => {
  const bodies = { text: '"a"', bytes: Buffer.from([255, 254, 0]), object: { a: 1 } }
  const app = await serve(t, (app) => {
    for (const [name, body] of Object.entries(bodies)) {
      app.get(`/${name}`, cached({ key: keyed(name), read: async () => body }))
    }
  })
  for (const name of Object.keys(bodies)) {
    const miss = await app.inject({ url: `/${name}` })
    const hit = await app.inject({ url: `/${name}` })
    t.match(hit.headers['cache-status'], '; hit;')
    t.ok(hit.rawPayload.equals(miss.rawPayload), name)
    await app.cacheAuditor.auditOne()
  }
  t.equal(app.cache.totals.staleReads, 0)
})

t.test('an audit that cannot be run is a warning, once for each resource', async (t) => {
  const logged: { level: number; msg: string }[] = []
  let broken = false
  const read = async () => {
    if (broken) throw new Error('cannot be read again')
    return { a: 1 }
  }
  const app = await serve(
    t,
    (app) => {
      app.get('/fragile', cached({ key: keyed('fragile:all'), read }))
    },
    logged,
  )
  await get(app, '/fragile')
  broken = true
  for (let audit = 0; audit < 2; audit += 1) {
    t.match((await get(app, '/fragile')).cache, '; hit;')
    await app.cacheAuditor.auditOne()
  }
  t.match(
    logged.filter(({ msg }) => msg.includes('audited')),
    [{ level: 40, msg: 'a cached answer cannot be audited' }],
  )
})

t.test('a stream passes, compressed and never stored', async (t) => {
  const app = await serve(t, (app) => {
    const read = async () => ({
      body: Readable.from(['a'.repeat(5000), 'b'.repeat(5000)]),
      detail: 'too-large',
    })
    app.get('/stream', cached({ key: keyed('stream'), read }))
  })
  for (let request = 0; request < 2; request += 1) {
    const answer = await get(app, '/stream')
    t.equal(answer.status, 200)
    t.equal(answer.body.length, 10_000)
    t.equal(answer.cache, 'anime-api; fwd=miss; detail=too-large')
    t.equal(answer.headers.etag, undefined)
  }
  const packed = await app.inject({ url: '/stream', headers: { 'accept-encoding': 'gzip' } })
  t.equal(packed.headers['content-encoding'], 'gzip')
  t.ok(packed.rawPayload.length < 1000)
})

t.test('what cannot be kept is refused when it is registered', async (t) => {
  const good = { key: keyed('k'), read: async () => ({}) }
  const refused: [string, (app: FastifyInstance) => unknown][] = [
    ['only GET and HEAD are safe', (app) => app.post('/x', cached(good))],
    ['its handler must be', (app) => app.get('/x', { ...cached(good), handler: async () => ({}) })],
    ['needs key and read', (app) => app.get('/x', cached({ ...good, read: undefined as never }))],
    [
      'may not vary on cookie',
      (app) => app.get('/x', cached({ ...good, vary: { cookie: String } })),
    ],
    [
      'no field name in lower case',
      (app) => app.get('/x', cached({ ...good, vary: { Accept: String } })),
    ],
  ]
  for (const [reason, register] of refused) {
    await t.rejects(
      serve(t, (app) => void register(app)),
      { message: new RegExp(reason) },
      reason,
    )
  }
})

t.test('a query may use another answer, and never combines two moments', async (t) => {
  // What the database holds: the page shows `rows`, and the count is an answer of its own.
  const rows = ['a', 'b']
  let counts = 0
  let duringPage = async () => {}
  const read = async (
    { query }: CacheInput,
    { held }: { held: (key: string) => Promise<string | undefined> },
  ) => {
    const total = (await held('total')) ?? String(rows.length)
    await duringPage()
    const shown = [...rows]
    if (total === String(shown.length)) counts += 1
    return {
      body: { page: (query as { page: string }).page, total: Number(total), shown },
      headers: { 'content-type': 'application/json' },
      also: { total },
    }
  }
  const key = ({ query }: CacheInput): CacheKey => ({
    key: `page:${(query as { page: string }).page}`,
    tags,
  })
  const app = await serve(t, (app) => {
    app.get('/page', cached({ key, read }))
    app.post('/rows', async (request) => {
      await request.write(async () => {
        rows.push('c')
        return { result: undefined, change: [['all']] }
      })
      return {}
    })
  })
  const page = async (name: string) => JSON.parse((await get(app, `/page?page=${name}`)).body)
  t.same(await page('1'), { page: '1', total: 2, shown: ['a', 'b'] })
  t.ok(app.cache.memory.peek('total'), 'the count is kept beside the page')
  duringPage = async () => {
    duringPage = async () => {}
    t.equal((await app.inject({ method: 'POST', url: '/rows' })).statusCode, 200)
  }
  t.same(await page('2'), { page: '2', total: 3, shown: ['a', 'b', 'c'] }, 'read again, as a whole')
  t.ok(counts >= 2)
})

t.test('a request counts once, whatever its query stores besides or runs again', async (t) => {
  let reads = 0
  const app = await serve(t, (app) => {
    app.get(
      '/total',
      cached({
        key: keyed('page'),
        read: async (_input, { held }) => {
          reads += 1
          const total = await held('total')
          if (total !== undefined) await app.cache.journal.finish([tags], null)
          return { body: `${total ?? 'counted'}`, also: { total: '7' } }
        },
      }),
    )
  })
  t.match((await get(app, '/total')).body, 'counted')
  t.match(app.cache.totals, { hits: 0, misses: 1, bypasses: 0 })
  app.cache.memory.delete('page')
  t.match((await get(app, '/total')).body, 'counted')
  t.equal(reads, 3, 'a write came between, and the query ran again')
  t.match(app.cache.totals, { hits: 0, misses: 2, bypasses: 0 })
})

t.test('a key made of a raw parameter never reaches the journal', async (t) => {
  const app = await serve(t, (app) => {
    app.get(
      '/raw/:name',
      cached<{ name: string }, unknown>({
        key: ({ params: { name } }) => ({ key: name, tags }),
        read: async ({ params: { name } }) => ({ name }),
      }),
    )
  })
  for (const name of ['@clock', 'two words']) {
    t.equal((await get(app, `/raw/${encodeURIComponent(name)}`)).status, 200)
    t.match((await get(app, `/raw/${encodeURIComponent(name)}`)).cache, '; hit;')
  }
  const keys = [...app.cache.memory.values()].map(({ key }) => key)
  t.same(keys.sort(), ['%40clock', 'two%20words'])
})

t.test('the busiest route does not keep the others from being audited', async (t) => {
  const read: string[] = []
  const app = await serve(t, (app) => {
    for (const name of ['busy', 'quiet']) {
      const query = async () => {
        read.push(name)
        return { name }
      }
      app.get(`/${name}`, cached({ key: keyed(name), read: query }))
    }
  })
  for (const name of ['quiet', 'busy']) await get(app, `/${name}`)
  read.length = 0
  for (let audit = 0; audit < 12; audit += 1) {
    for (const name of ['quiet', 'busy']) await get(app, `/${name}`)
    await app.cacheAuditor.auditOne()
  }
  t.ok(read.includes('quiet') && read.includes('busy'), read.join())
})
