import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import serializers from '@fastify/fast-json-stringify-compiler'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t from 'tap'
import { startApp } from '../support/app.ts'

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  parameters?: { name: string; in: string; example?: unknown; schema: { default?: unknown } }[]
  responses: Record<string, { content?: Record<string, unknown> }>
}

type Paths = Record<string, Record<string, Operation>>

/** The routes that the router's own listing shows, HEAD left out. */
function routesOf(app: FastifyInstance): { method: string; url: string }[] {
  const parents: string[] = []
  return app
    .printRoutes({ commonPrefix: false })
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^(.*[├└]── )(\S+) \((.*)\)$/.exec(line)!
      const depth = indent.length / 4
      const url = (parents[depth - 1] ?? '') + part
      parents[depth] = url
      return methods.split(', ').map((method) => ({ method, url }))
    })
    .filter(({ method }) => method !== 'HEAD')
}

t.test('/openapi.json', async (t) => {
  const routes: RouteOptions[] = []
  const collect = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', (route) => {
      routes.push(route)
    })
  }
  subscribe('fastify.initialization', collect)
  t.teardown(() => unsubscribe('fastify.initialization', collect))
  const app = await startApp(t, {}, { titles: 2000 })
  const answer = await app.inject('/openapi.json')
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^application\/json/)
  const document = answer.json()
  const paths = document.paths as Paths
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

  t.test('is a valid OpenAPI 3.1 document', async (t) => {
    const validator = new Validator()
    const result = await validator.validate(structuredClone(document))
    t.strictSame(result, { valid: true })
    t.equal(validator.version, '3.1')
    t.match(document.openapi, /^3\.1\./)
  })

  t.test('has nothing that a strict linter minds', async (t) => {
    const config = await createConfig({ extends: ['recommended-strict'] })
    const found = await lintFromString({ source: JSON.stringify(document), config })
    t.strictSame(
      found.map(({ ruleId, message }) => `${ruleId}: ${message}`),
      [],
    )
  })

  t.test('names its schemas, which travel to any language', async (t) => {
    const { schemas } = document.components
    for (const name of ['Anime', 'AnimeList', 'NewAnime', 'AnimeChanges', 'Tokens', 'Problem']) {
      t.ok(schemas[name], name)
    }
    const list = paths['/v1/animes']!.get!.responses['200']!.content!['application/json']
    t.match(list, { schema: { $ref: '#/components/schemas/AnimeList' } })
    t.match(schemas.AnimeList.properties.data, { items: { $ref: '#/components/schemas/Anime' } })
    t.match(schemas.Anime.required, ['id', 'title', 'type', 'year', 'score', 'episodes', 'genres'])
    const text = JSON.stringify(document)
    t.notMatch(text, /multipleOf|\\\\ud800/)
    t.notMatch(text, /\\\\0/)
    const { pattern } = schemas.NewAnime.properties.title
    for (const flags of ['', 'u', 'v']) {
      t.ok(new RegExp(pattern, flags).test('Ranma 1/2 🦊'), `${pattern} with "${flags}"`)
      t.notOk(new RegExp(pattern, flags).test(' '))
    }
  })

  t.test('says what requests and answers carry', async (t) => {
    const names = (path: string, method: string) =>
      (paths[path]?.[method]?.parameters ?? []).map((parameter) => JSON.stringify(parameter)).join()
    t.match(names('/v1/animes/{id}', 'patch'), /If-Match/)
    t.match(names('/v1/animes/{id}', 'delete'), /If-Match/)
    t.match(names('/v1/animes', 'get'), /If-None-Match/)
    t.match(document.paths['/v1/cache'].get.parameters, [{ name: 'limit', required: false }])
    const { responses } = document.paths['/v1/animes'].post
    for (const status of ['201', '400', '413', '415', '429', 'default'])
      t.ok(responses[status], status)
    t.match(Object.keys(responses['201'].headers).sort(), ['ETag', 'Location'])
    const read = document.paths['/v1/animes'].get.responses
    t.match(Object.keys(read['200'].headers).sort(), ['Age', 'Cache-Status', 'ETag', 'Link'])
    t.ok(read['304'])
    t.ok(document.paths['/metrics'].get.responses['200'].content['text/plain'])
  })

  t.test('has one address, relative to which the service is', async (t) => {
    const yaml = await app.inject('/docs/yaml')
    t.equal(yaml.statusCode, 301)
    t.equal(new URL(String(yaml.headers.location), 'http://x/docs/yaml').pathname, '/openapi.json')
    const copy = await app.inject('/docs/json')
    t.strictSame({ ...copy.json(), servers: document.servers }, document, 'for the page at /docs')
    t.strictSame(document.servers, [{ url: '.' }])
  })

  t.test('has every route', async (t) => {
    const served = routesOf(app).filter(
      ({ url }) =>
        !/^\/(docs|monitor|explorer|shared|openapi\.json|icon\.svg|favicon\.ico)/.test(url),
    )
    t.ok(served.length >= 8)
    for (const { method, url } of served) {
      const path = url.replaceAll(/:(\w+)/g, '{$1}')
      t.ok(paths[path]?.[method.toLowerCase()], `${method} ${url}`)
    }
  })

  t.test('is made of schemas that compile', async (t) => {
    const ajv = addFormats.default(new Ajv({ strict: false }))
    for (const { schema = {}, method, url } of routes) {
      const { body, querystring, params, headers, response = {} } = schema as Record<string, object>
      for (const part of [body, querystring, params, headers]) {
        if (part !== undefined) t.doesNotThrow(() => ajv.compile(part), `${method} ${url}`)
      }
      const compile = serializers()(app.getSchemas(), {})
      for (const [httpStatus, answer] of Object.entries(response)) {
        if ('content' in answer) continue
        const definition = { schema: answer, method: String(method), url, httpStatus }
        t.doesNotThrow(() => compile(definition), `${method} ${url} ${httpStatus}`)
      }
    }
  })

  t.test('describes what the service answers, to a validator as it comes', async (t) => {
    const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }))
    ajv.addSchema({ $id: 'document', components: document.components })
    for (const path of ['/v1/animes', '/v1/animes/{id}', '/v1/types', '/v1/genres', '/v1/stats']) {
      const { schema } = document.paths[path].get.responses['200'].content['application/json']
      const text = JSON.stringify(schema).replaceAll('"#/', '"document#/')
      const answer = await app.inject(path.replace('{id}', '1'))
      t.equal(answer.statusCode, 200, path)
      const validate = ajv.compile(JSON.parse(text))
      t.ok(validate(answer.json()), `${path}: ${ajv.errorsText(validate.errors?.slice(0, 3))}`)
    }
  })

  t.test('names each operation once and says what it is for', async (t) => {
    const names = operations.map(({ operation }) => operation.operationId)
    t.equal(new Set(names).size, names.length)
    for (const { path, method, operation } of operations) {
      t.type(operation.operationId, 'string', `${method} ${path}`)
      t.type(operation.summary, 'string', `${method} ${path}`)
      t.ok(operation.tags?.length, `${method} ${path}`)
    }
  })

  t.test('fills in a limit of 20 for the list and nothing else', async (t) => {
    const parameters = paths['/v1/animes']?.get?.parameters ?? []
    const filled = parameters.filter(({ example, schema }) => example ?? schema.default)
    t.strictSame(
      filled.map(({ name, example }) => [name, example]),
      [['limit', 20]],
    )
  })

  t.test('says of every operation under /v1 how it fails', async (t) => {
    for (const { path, method, operation } of operations) {
      if (!path.startsWith('/v1/')) continue
      const failures = Object.entries(operation.responses).filter(([status]) => status >= '400')
      t.ok(failures.length > 0, `${method} ${path}`)
      for (const [status, { content }] of failures) {
        t.ok(content?.['application/problem+json'], `${method} ${path} ${status}`)
      }
    }
  })
})
