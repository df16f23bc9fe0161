import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { httpFile } from '../../bin/requests/http-file.ts'
import { operationsOf } from '../../bin/requests/operations.ts'
import { postmanCollection } from '../../bin/requests/postman.ts'
import { startApp } from '../support/app.ts'
import { root } from '../support/process.ts'

const admin = { ADMIN_EMAIL: 'admin@example.org', ADMIN_PASSWORD: 'correct-horse-battery' }
const written = (name: string) => readFile(join(root, 'requests', name), 'utf8')

interface Item {
  name: string
  item?: Item[]
  request: { method: string; url: { raw: string; path: string[] } }
}

t.test('the requests are those of the document: else run "npm run requests"', async (t) => {
  const app = await startApp(t)
  const operations = operationsOf(app.swagger())
  t.equal(await written('anime-api.http'), httpFile(operations))
  const collection = await written('anime-api.postman_collection.json')
  t.equal(collection, postmanCollection(operations))
  const items = (JSON.parse(collection).item as Item[]).flatMap(({ item = [] }) => item)
  t.equal(items.length, operations.length)
  t.notMatch(collection, /undefined|\[object/)
})

/** What a REST client makes of the file: variables put in, one request after the other. */
function parse(text: string) {
  const [head = '', ...sections] = text.split(/^### .*$/m)
  const variables = new Map(
    [...head.matchAll(/^@(\w+) = (.*)$/gm)].map(([, name, value]) => [name!, value!]),
  )
  const requests = sections.map((section) => {
    const [top = '', ...rest] = section.trim().split('\n\n')
    const [, name = '', method = '', url = '', fields = ''] =
      /^# @name (\w+)\n(\w+) (\S+)\n?([\s\S]*)$/.exec(top) ?? []
    const headers = Object.fromEntries(
      fields
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(': ')),
    ) as Record<string, string>
    return { name, method, url, headers, body: rest.join('\n\n') }
  })
  return { variables, requests }
}

t.test('every request works as it stands, one after the other', async (t) => {
  const app = await startApp(t, admin, { titles: 30 })
  await app.firstAdmin
  const { variables, requests } = parse(await written('anime-api.http'))
  const answers = new Map<string, Record<string, unknown>>()
  const put = (text: string): string =>
    text.replaceAll(/\{\{([^}]+)\}\}/g, (_, name: string) => {
      const [, from = '', field = ''] = /^(\w+)\.response\.body\.\$\.(\w+)$/.exec(name) ?? []
      if (from !== '') return String(answers.get(from)?.[field])
      const value = variables.get(name)
      if (value === undefined) throw new Error(`${name} is not a variable of the file`)
      return put(value)
    })
  // Without Firebase and without a token of a reset, and with nobody's password.
  const refused: Record<string, number> = {
    signInWithFirebase: 404,
    resetPassword: 400,
    removeAccount: 400,
  }
  t.ok(requests.length > 20)
  for (const { name, method, url, headers, body } of requests) {
    const answer = await app.inject({
      method: method as 'GET',
      url: put(url).replace('http://127.0.0.1:3000', ''),
      headers: Object.fromEntries(
        Object.entries(headers).map(([field, value]) => [field.toLowerCase(), put(value)]),
      ),
      ...(body !== '' && { payload: put(body) }),
    })
    const expected = refused[name]
    if (expected === undefined)
      t.ok(answer.statusCode < 300, `${name}: ${answer.body.slice(0, 200)}`)
    else t.equal(answer.statusCode, expected, name)
    if (String(answer.headers['content-type']).startsWith('application/json')) {
      answers.set(name, answer.json())
    }
  }
})
