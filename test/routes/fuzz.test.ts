import { once } from 'node:events'
import { METHODS } from 'node:http'
import net from 'node:net'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { startApp } from '../support/app.ts'
import { seeded } from '../support/catalogue.ts'

interface Parameter {
  name: string
  in: 'query' | 'path' | 'header'
  schema: { type?: string; enum?: string[]; items?: object; minimum?: number; maximum?: number }
}

interface Route {
  path: string
  method: Uppercase<string>
  parameters: Parameter[]
  body: boolean
}

async function routesOf(app: FastifyInstance): Promise<Route[]> {
  const document = (await app.inject('/openapi.json')).json()
  return Object.entries<Record<string, { parameters?: Parameter[]; requestBody?: object }>>(
    document.paths,
  ).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      path,
      method: method.toUpperCase() as Uppercase<string>,
      parameters,
      body: requestBody !== undefined,
    })),
  )
}

/** Never the server's fault, and always a problem document that says what is wrong. */
function judge(t: Test, answer: LightMyRequestResponse, what: string): void {
  const { statusCode: status, headers, body } = answer
  if (status < 400) return
  const problem = `${headers['content-type']}`.startsWith('application/problem+json')
  if (status < 500 && problem && (body === '' || JSON.parse(body).status === status)) return
  t.fail(`${what.slice(0, 300)}: ${status} ${headers['content-type']} ${body.slice(0, 300)}`)
}

const hostile = [
  '',
  ' ',
  '0',
  '-0',
  '-1',
  '1e3',
  '0x10',
  '1.5',
  'NaN',
  'Infinity',
  '-Infinity',
  '9007199254740993',
  '99999999999999999999999999',
  '1e400',
  '2147483648',
  'null',
  'undefined',
  'true',
  '[]',
  '{}',
  '{"a":1}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  "' or 1=1 --",
  '"; drop table animes; --',
  '%',
  '_',
  '\\',
  '\u0000',
  '\r\nset-cookie: a=b',
  '\u{1F600}',
  'e\u0301',
  '\u202e',
  '\ufeff',
  'İ',
  'ß',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  ','.repeat(90),
  '-,-,-',
  'title,'.repeat(10),
  'x'.repeat(100),
  'x'.repeat(10_000),
  '%'.repeat(500),
]

/** Percent-encodings that decode to no text. */
const undecodable = ['%', '%E0%A4%A', '%ff', '%C0%80', '%ED%A0%80', '%u0041', '%2', '%00', '%zz']

function value(random: (below: number) => number, { schema }: Parameter): string {
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!
  switch (random(6)) {
    case 0:
      return schema.enum === undefined ? String(random(3000)) : pick(schema.enum)
    case 1:
      return String((schema.maximum ?? 10) + pick([-1, 0, 1, 0.5]))
    case 2:
      return String((schema.minimum ?? 0) + pick([-1, 0, 1, 0.005]))
    case 3:
      return String.fromCodePoint(...Array.from({ length: random(40) }, () => random(0xd7ff)))
    default:
      return pick(hostile)
  }
}

t.test('no text that is searched is the server’s fault', async (t) => {
  const app = await startApp(t, {}, { titles: 200 })
  const random = seeded(16)
  const words = [
    'golden',
    'gardn',
    'a',
    'é',
    '雪国',
    '雪',
    'ﷺ',
    '&',
    '\u0301',
    'x'.repeat(150),
    '12',
  ]
  const character = () => {
    const code = random(3) === 0 ? random(0x110000) : random(0x3000)
    return code >= 0xd800 && code < 0xe000 ? ' ' : String.fromCodePoint(code)
  }
  const statuses = new Set<number>()
  for (let round = 0; round < 1500; round += 1) {
    const part = () => (random(2) === 0 ? words[random(words.length)]! : character())
    const text = Array.from({ length: 1 + random(30) }, part).join(random(2) === 0 ? ' ' : '')
    const q = encodeURIComponent(text.slice(0, 210).toWellFormed())
    const url = `/v1/animes${random(4) === 0 ? '/suggest' : ''}?q=${q}`
    const answer = await app.inject(
      random(3) > 0 || url.includes('suggest') ? url : `${url}&limit=3`,
    )
    judge(t, answer, url)
    statuses.add(answer.statusCode)
  }
  t.same([...statuses].sort(), [200, 400])
})

t.test('no value of any parameter is the server’s fault', async (t) => {
  const app = await startApp(t, {}, { titles: 200 })
  const routes = (await routesOf(app)).filter(({ parameters }) => parameters.length > 0)
  const random = seeded(2026)
  for (let round = 0; round < 3000; round += 1) {
    const { path, method, parameters } = routes[round % routes.length]!
    const query: string[] = []
    let url = path
    for (const parameter of parameters) {
      const raw = random(20) === 0
      const text = raw
        ? undecodable[random(undecodable.length)]!
        : encodeURIComponent(value(random, parameter))
      if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, text)
      else if (random(3) === 0) query.push(`${parameter.name}=${text}`)
      if (random(12) === 0) query.push(`${parameter.name}=${text}`)
    }
    if (random(10) === 0) query.push(encodeURIComponent(hostile[random(hostile.length)]!))
    const full = `${url}?${query.join('&')}`
    judge(t, await app.inject({ method: method as 'GET', url: full }), `${method} ${full}`)
  }
  for (const parameter of routes.find(({ path }) => path === '/v1/animes')!.parameters) {
    for (const text of [...hostile.map(encodeURIComponent), ...undecodable]) {
      const url = `/v1/animes?${parameter.name}=${text}`
      judge(t, await app.inject(url), url)
    }
  }
  t.equal((await app.inject('/v1/animes?limit=1')).json().total, 200, 'and the titles are there')
})

const contentTypes = [
  undefined,
  'application/json',
  'application/json; charset=utf-16',
  'application/problem+json',
  'text/plain',
  'text/html',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  'application/xml',
  'nonsense',
  '/',
  'application/json;;;=',
  'a/b; charset="',
]

const bodies: (string | Buffer)[] = [
  '',
  '{',
  '[]',
  'null',
  '""',
  '0',
  'true',
  '{}',
  '{"title":1}',
  '{"title":null,"genres":{}}',
  '{"title":"x","__proto__":{"role":"admin"}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"email":{"$gt":""},"password":{"$gt":""}}',
  '{"email":"a","password":"b"}',
  `{"title":"${'x'.repeat(70_000)}"}`,
  '['.repeat(20_000),
  '{"title":"\\ud800"}',
  '{"score":1e999,"year":-0,"id":1}',
  Buffer.from([0xff, 0xfe, 0x00, 0x7b]),
  '<a/>',
]

t.test('no body and no content type is the server’s fault', async (t) => {
  const app = await startApp(t, { RATE_LIMIT_MAX: '1000000' }, { titles: 20 })
  const random = seeded(7)
  const paths = [...new Set((await routesOf(app)).map(({ path }) => path)), '/', '/v1', '/nothing']
  for (const path of paths) {
    const url = path.replace('{id}', '7')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'HEAD', 'OPTIONS'] as const) {
      for (const [index, body] of bodies.entries()) {
        const type = contentTypes[(index + url.length + method.length) % contentTypes.length]
        for (const contentType of new Set([type, 'application/json'])) {
          const headers = contentType === undefined ? {} : { 'content-type': contentType }
          // From many addresses, since tries to sign in are limited by address.
          const remoteAddress = `10.${random(256)}.${random(256)}.${random(256)}`
          const answer = await app.inject({ method, url, headers, payload: body, remoteAddress })
          judge(t, answer, `${method} ${url} ${contentType} ${String(body).slice(0, 60)}`)
        }
      }
    }
  }
  const large = await app.inject({
    method: 'POST',
    url: '/v1/signin',
    remoteAddress: '11.0.0.1',
    headers: { 'content-type': 'application/json' },
    payload: `{"email":"${'x'.repeat(70_000)}"}`,
  })
  t.equal(large.statusCode, 413)
  const text = await app.inject({
    method: 'POST',
    url: '/v1/signin',
    remoteAddress: '11.0.0.1',
    headers: { 'content-type': 'application/xml' },
    payload: '<a/>',
  })
  t.equal(text.statusCode, 415)
  t.equal((await app.inject('/v1/animes?limit=1')).json().total, 20)
})

t.test('no header is the server’s fault', async (t) => {
  const app = await startApp(t, {}, { titles: 200 })
  const fields: Record<string, string[]> = {
    'accept-encoding': ['br;q=2', 'gzip;q=-1', ';;;,,', '*;q=0', 'br;q=abc', 'a'.repeat(8000)],
    'if-none-match': ['"', '""', 'W/', '*, "a"', '"a"'.repeat(900), '"\u00ff"', ','.repeat(900)],
    'if-match': ['"', '*', 'W/"a"', ','.repeat(900)],
    'if-modified-since': ['yesterday', '0', 'x'.repeat(500)],
    range: ['bytes=0-1', 'bytes=5-1', 'lines=a-b'],
    'cache-control': ['max-age=x', 'no-cache="', ',,,', 'x'.repeat(500)],
    authorization: [
      '',
      'Bearer',
      'Bearer ',
      'Bearer x.y.z',
      'Basic !!',
      `Bearer ${'x'.repeat(7000)}`,
    ],
    accept: ['text/html', '*/*;q=0', ',;', 'x'.repeat(500)],
    'accept-language': ['xx;q=9'],
    origin: ['null', 'http://[', 'x'],
    host: ['', '[::', 'a b', 'x'.repeat(500)],
    'x-forwarded-for': ['not an address', '1.1.1.1, 2.2.2.2', ','.repeat(100)],
    'x-http-method-override': ['DELETE'],
    'content-length': ['5'],
    expect: ['100-continue'],
    cookie: ['a=b; ='],
    traceparent: ['00-zz-zz-zz', 'x'],
  }
  const urls = [
    '/v1/animes?limit=5',
    '/v1/animes/7',
    '/v1/stats',
    '/docs',
    '/health/live',
    '/v1/me',
  ]
  for (const url of urls) {
    for (const [name, values] of Object.entries(fields)) {
      for (const text of values) {
        for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'] as const) {
          const options: InjectOptions = { method, url, headers: { [name]: text } }
          judge(t, await app.inject(options), `${method} ${url} ${name}: ${text}`)
        }
      }
    }
  }
  t.pass('none was')
})

/** Sends bytes and gives the first answer, as text. */
async function exchange(port: number, bytes: string | Buffer): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  socket.setTimeout(5000, () => socket.destroy())
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}

t.test('bytes that are no request are refused with a problem document', async (t) => {
  const app = await startApp(t, {}, { titles: 20 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as net.AddressInfo
  const rest = 'HTTP/1.1\r\nhost: x\r\nconnection: close\r\n'
  const cases: [bytes: string | Buffer, status: number][] = [
    [`GET /%E0%A4%A ${rest}\r\n`, 400],
    [`GET /%00 ${rest}\r\n`, 404],
    [`GET /v1/animes/%00 ${rest}\r\n`, 400],
    [`GET /v1/animes/${'9'.repeat(200)} ${rest}\r\n`, 414],
    [`GET /${'x'.repeat(10_000)} ${rest}\r\n`, 404],
    [`GET /v1/animes?q=${'x'.repeat(10_000)} ${rest}\r\n`, 400],
    [`GET /${'x'.repeat(20_000)} ${rest}\r\n`, 431],
    [`GET / ${rest}x: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /docs/static/../../package.json ${rest}\r\n`, 403],
    [`GET /docs/static/%2e%2e%2f%2e%2e%2fpackage.json ${rest}\r\n`, 404],
    ['rubbish\r\n\r\n', 400],
    ['\u0016\u0003\u0001\u0002\u0000\u0001', 400],
    [Buffer.from([0, 255, 0, 255, 13, 10, 13, 10]), 400],
    ['GET / HTTP/3.7\r\nhost: x\r\n\r\n', 400],
    [
      `POST /v1/signin ${rest}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [`POST /v1/signin ${rest}content-length: abc\r\n\r\n`, 400],
    [`POST /v1/signin ${rest}transfer-encoding: chunked\r\n\r\nzz\r\n`, 400],
    [`PUT /v1/animes ${rest}\r\n`, 405],
    [`PROPFIND /v1/animes/7 ${rest}\r\n`, 405],
    [`TRACE / ${rest}\r\n`, 405],
  ]
  for (const [bytes, status] of cases) {
    const [head = '', body = ''] = (await exchange(port, bytes)).split('\r\n\r\n')
    const name = JSON.stringify(String(bytes).slice(0, 60))
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(head, /\r\ncontent-type: application\/problem\+json/, name)
    t.match(JSON.parse(body), { type: 'about:blank', title: String, status, detail: String }, name)
    if (status === 405) t.match(head, /\r\nallow: \w+/)
  }
})

t.test('every method that HTTP knows is answered', async (t) => {
  const app = await startApp(t, {}, { titles: 20 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as net.AddressInfo
  for (const method of METHODS) {
    // A tunnel is none of our business: Node closes the connection.
    if (method === 'CONNECT') continue
    for (const path of ['/v1/animes', '/nothing', '*']) {
      const bytes = `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
      const [head = ''] = (await exchange(port, bytes)).split('\r\n\r\n')
      const status = Number(head.split(' ')[1])
      t.ok(status >= 200 && status < 500, `${method} ${path} ${status}`)
      if (status >= 400) t.match(head, /application\/problem\+json/, `${method} ${path}`)
    }
  }
})
