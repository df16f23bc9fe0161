import { once } from 'node:events'
import t from 'tap'
import { DatabaseUnavailable, OutcomeUnknown } from '../../db/dialects/dialect.ts'
import { BadField, NotFound, PreconditionFailed } from '../../plugins/errors.ts'
import { startApp } from '../support/app.ts'
import { until } from '../support/until.ts'

t.test('every error is a problem document (RFC 9457)', async (t) => {
  const thrown: Record<string, unknown> = {
    missing: new NotFound('there is no such thing'),
    moved: new PreconditionFailed('it has moved on'),
    field: new BadField('year', 'must be in the past'),
    away: new DatabaseUnavailable('secret: the server is db7'),
    unknown: new OutcomeUnknown('secret: the server is db7'),
    bug: new TypeError('secret: x is undefined'),
    text: 'secret: a string',
    teapot: Object.assign(new Error('I am a teapot'), { statusCode: 418 }),
    hidden: Object.assign(new Error('secret: upstream'), { statusCode: 502 }),
  }
  const app = await startApp(
    t,
    {},
    {
      prepare: (app) => {
        for (const [name, error] of Object.entries(thrown)) {
          app.get(`/throw/${name}`, async () => {
            throw error
          })
        }
        app.post(
          '/body',
          { schema: { body: { type: 'object', required: ['a'] } } },
          async () => 'ok',
        )
      },
    },
  )
  const problemAt = async (url: string) => {
    const answer = await app.inject(url)
    t.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8', url)
    t.equal(answer.headers['cache-control'], 'no-store', url)
    t.equal(answer.headers['x-content-type-options'], 'nosniff', url)
    t.notMatch(answer.body, /secret/, 'nothing internal')
    const problem = answer.json()
    t.match(problem, { type: 'about:blank', status: answer.statusCode, instance: url })
    return { answer, problem }
  }

  const failed = 'the server failed; its log says why'
  for (const [name, status, title, code, detail] of [
    ['missing', 404, 'Not Found', 'TITLE_NOT_FOUND', 'there is no such thing'],
    ['moved', 412, 'Precondition Failed', 'PRECONDITION_FAILED', 'it has moved on'],
    ['field', 400, 'Bad Request', 'INVALID_REQUEST', 'year must be in the past'],
    ['teapot', 418, "I'm a Teapot", 'ERROR', 'I am a teapot'],
    ['bug', 500, 'Internal Server Error', 'INTERNAL_ERROR', failed],
    ['text', 500, 'Internal Server Error', 'INTERNAL_ERROR', failed],
    ['hidden', 502, 'Bad Gateway', 'INTERNAL_ERROR', failed],
    [
      'unknown',
      503,
      'Service Unavailable',
      'OUTCOME_UNKNOWN',
      'the connection was lost during the commit: the write may have happened, or not',
    ],
    ['away', 503, 'Service Unavailable', 'DATABASE_UNAVAILABLE', 'the database did not answer'],
  ] as const) {
    const { answer, problem } = await problemAt(`/throw/${name}`)
    t.equal(answer.statusCode, status, name)
    t.match(problem, { title, code, detail })
  }

  t.test('a wrong field is named', async (t) => {
    const { problem } = await problemAt('/throw/field')
    t.strictSame(problem.errors, [{ field: 'year', message: 'must be in the past' }])
    const answer = await app.inject({ method: 'POST', url: '/body', payload: {} })
    t.strictSame(answer.json().errors, [{ field: 'a', message: 'is missing' }])
    const { problem: query } = await problemAt('/v1/animes?type=x&limit=y&z=1')
    t.strictSame(
      query.errors.map(({ field }: { field: string }) => field).sort(),
      ['limit', 'type', 'z'],
      'all of them at once',
    )
  })

  t.test('an absent database says when to come back', async () => {
    const { answer } = await problemAt('/throw/away')
    t.equal(answer.statusCode, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
  })

  t.test('a path with other methods says which', async (t) => {
    const answer = await app.inject({ method: 'PUT', url: '/v1/types?x=1' })
    t.equal(answer.statusCode, 405)
    t.equal(answer.headers.allow, 'GET, HEAD')
    t.match(answer.json(), { status: 405, detail: 'there is no PUT /v1/types; it takes GET, HEAD' })
    const title = await app.inject({ method: 'PUT', url: '/v1/animes/7' })
    t.match(String(title.headers.allow), /GET, HEAD/)
  })

  t.test('a path that is not there is not found', async (t) => {
    for (const url of ['/nothing', '/v1', '/v1/anime', '//v1/animes', '/v1/animes/7/x']) {
      const { answer, problem } = await problemAt(url)
      t.equal(answer.statusCode, 404, url)
      t.equal(problem.detail, `there is no GET ${url}`)
    }
  })
})

t.test('a client that has gone is no failure of the server', async (t) => {
  const lines: { level: number; msg: string }[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const app = await startApp(
    t,
    {},
    {
      logger: { level: 'debug', stream },
      prepare: (app) => {
        app.get('/slow', async (_request, reply) => {
          gone.abort()
          await once(reply.raw, 'close')
          throw new DOMException('nobody waits for this read', 'AbortError')
        })
      },
    },
  )
  const gone = new AbortController()
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await t.rejects(fetch(`${url}/slow`, { signal: gone.signal }), { name: 'AbortError' })
  const logged = await until('it is logged', () => lines.find(({ msg }) => /client|fail/.test(msg)))
  t.match(logged, { level: 20, msg: 'the client has closed the request' })
  t.strictSame(app.metrics.durations.histograms, [], 'no answer is counted')
})
