import assert from 'node:assert'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'

interface Answer {
  content?: Record<string, { schema: object }>
}
interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>
  components: object
}

/** Larger bodies are many rows of one kind. */
const longest = 500_000

const isJson = /^application\/([a-z]+\+)?json\b/

/** Validators for what `document` says of each answer, as Ajv comes but for OpenAPI's own words. */
function contractOf({ paths, components }: Document) {
  const ajv = addFormats.default(new Ajv({ strict: false }))
  ajv.addSchema({ $id: 'document', components })
  const compiled = new Map<string, ValidateFunction>()
  const patterns = Object.keys(paths)
    .sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
    .map((path) => [path, new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`)] as const)

  /** What is wrong with an answer; undefined for nothing, and for what the document does not know. */
  return (method: string, url: string, answer: LightMyRequestResponse): string | undefined => {
    const path = patterns.find(([, pattern]) => pattern.test(url))?.[0]
    const operation = path === undefined ? undefined : paths[path]?.[method.toLowerCase()]
    if (operation === undefined || answer.body.length > longest) return undefined
    const { responses } = operation
    const status = String(answer.statusCode)
    const said = responses[status] ?? responses['4XX'] ?? responses.default
    if (said === undefined) return `${status} is not in the document`
    const [type = ''] = String(answer.headers['content-type'] ?? '').split(';')
    const { 'content-encoding': coding } = answer.headers
    if (answer.body === '' || coding !== undefined || !isJson.test(type)) return undefined
    const schema = said.content?.[type]?.schema
    if (schema === undefined) return `${status} has no ${type} in the document`
    const id = `${method} ${path} ${said === responses[status] ? status : 'default'} ${type}`
    let validate = compiled.get(id)
    if (validate === undefined) {
      validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')))
      compiled.set(id, validate)
    }
    return validate(answer.json()) ? undefined : ajv.errorsText(validate.errors)
  }
}

/** The document is the same for every app of a process. */
let contract: ReturnType<typeof contractOf> | undefined

/** Makes every answer to `app.inject` fail the test that does not fit the published document. */
export function holdToDocument(app: FastifyInstance): void {
  const inject = app.inject.bind(app) as (
    options: InjectOptions | string,
  ) => PromiseLike<LightMyRequestResponse>
  const checked = async (options: InjectOptions | string) => {
    const answer = await inject(options)
    const {
      method = 'GET',
      url = '/',
      query,
    } = typeof options === 'string' ? { url: options } : options
    const { pathname, searchParams } = new URL(String(url), 'http://x')
    // With `fields` rows have the columns that were asked for; no document can say so.
    // Routes that a test adds declare no answers.
    if (!/^\/(v1|health)\//.test(pathname)) return answer
    if (method === 'HEAD' || searchParams.has('fields') || query !== undefined) return answer
    contract ??= contractOf(app.swagger() as unknown as Document)
    const wrong = contract(String(method), pathname, answer)
    assert.equal(
      wrong,
      undefined,
      `${method} ${String(url).slice(0, 200)}: ${answer.body.slice(0, 500)}`,
    )
    return answer
  }
  app.inject = checked as unknown as typeof app.inject
}
