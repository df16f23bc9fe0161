/*
 * From what the routes' schemas say to a document that clients can be made from: schemas get their names,
 * patterns become ones that every language compiles, and what all answers have in common is said.
 */

type Json = Record<string, unknown>

interface Operation extends Json {
  operationId: string
  summary?: string
  description?: string
  tags: string[]
  security?: object[]
  parameters?: (Json & { in: string; name: string; schema?: Json; required?: boolean })[]
  requestBody?: { content: Record<string, Json> }
  responses: Record<string, Json & { content?: Record<string, Json> }>
}

const methods = new Set(['get', 'post', 'patch', 'put', 'delete'])
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The document to publish. The one given is left as it is. */
export function publish(document: object): object {
  const copy = structuredClone(document) as Json & {
    paths: Record<string, Record<string, Operation>>
    components: Json & { schemas: Json }
  }
  const named = copy.components.schemas
  for (const name of Object.keys(named)) named[name] = hoist(named[name], named, true)
  for (const [path, operations] of Object.entries(copy.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (methods.has(method)) describe(operation, method, path)
    }
  }
  copy.paths = hoist(copy.paths, named) as typeof copy.paths
  Object.assign(copy.components, { headers })
  // Relative to this document, and so right under whatever path the service is mounted.
  copy.servers = [{ url: '.' }]
  return copy
}

/**
 * Moves each schema with a `title` to the components, under that name, and makes each schema one that
 * travels.
 */
function hoist(value: unknown, named: Json, isComponent = false): unknown {
  if (Array.isArray(value)) return value.map((item) => hoist(item, named))
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([name, part]) =>
    name === 'example' || name === 'examples' ? [name, part] : [name, hoist(part, named)],
  )
  const schema = travelling(Object.fromEntries(entries))
  if (isComponent || typeof schema.title !== 'string' || typeof schema.type !== 'string') {
    return schema
  }
  named[schema.title] = schema
  return { $ref: `#/components/schemas/${schema.title}` }
}

/**
 * A schema for any validator: no half of a surrogate pair in a pattern (Java refuses it, JavaScript
 * without `u` refuses emoji), and no `multipleOf` that a division of floating point numbers misses.
 */
function travelling(schema: Json): Json {
  const { pattern, multipleOf, ...rest } = schema
  if (typeof pattern === 'string') {
    return {
      ...schema,
      pattern: pattern.replaceAll('\\0', '\\x00').replaceAll('\\ud800-\\udfff', ''),
    }
  }
  return multipleOf === undefined ? schema : { ...rest, description: 'two decimals at most' }
}

const reference = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` })
const problem = { 'application/problem+json': { schema: reference('schemas', 'Problem') } }
const textSchema = { schema: { type: 'string' } }

const parameters = {
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'An `ETag` seen before: if it still holds, the answer is 304 without a body',
    ...textSchema,
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description: 'An `ETag` seen before: if it no longer holds, the answer is 412',
    ...textSchema,
  },
}

const headers = {
  ETag: { description: 'Of this answer in this content coding; strong', ...textSchema },
  CacheStatus: {
    description: 'What the cache did (RFC 9211): `hit`, or `fwd=miss` and what became of it',
    ...textSchema,
  },
  Age: { description: 'Seconds since the answer was made', schema: { type: 'integer' } },
  Link: { description: '`rel="next"`: the next page (RFC 8288)', ...textSchema },
  Location: { description: 'What was made, relative to the request', ...textSchema },
  RetryAfter: { description: 'Seconds until another try', schema: { type: 'integer' } },
  WwwAuthenticate: { description: 'What is wrong with the token (RFC 6750)', ...textSchema },
}

const headersOf = (...fields: [field: string, name: keyof typeof headers][]) =>
  Object.fromEntries(fields.map(([field, name]) => [field, reference('headers', name)]))

const statusTexts: Record<string, string> = { 200: 'Done', 201: 'Made', 204: 'Done' }

function describe(operation: Operation, method: string, path: string): void {
  operation.summary = (operation.summary ?? `${method} ${path}`).replaceAll('`', '')
  operation.description ??= `${operation.summary}.`
  operation.security ??= []
  for (const parameter of operation.parameters ?? []) describeParameter(parameter)
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (answer.description === 'Default Response')
      answer.description = statusTexts[status] ?? status
    if (status === '204') delete answer.content
  }
  if (path === '/metrics') {
    operation.responses['200'] = {
      description: 'Numbers in the text format of Prometheus',
      content: { 'text/plain': textSchema },
    }
  }
  if (path.startsWith('/v1/')) describeAnswers(operation, method, path)
  else
    operation.responses['4XX'] = { description: 'A request that cannot be read', content: problem }
}

/** What is filled in need not be sent; what has to be sent has an example to begin with. */
function describeParameter(parameter: NonNullable<Operation['parameters']>[number]): void {
  if (parameter.schema?.default !== undefined) parameter.required = false
  if (parameter.in === 'path') parameter.example ??= 1
}

/** What the answers of a kind of operation have in common. */
function describeAnswers(operation: Operation, method: string, path: string): void {
  const { responses } = operation
  const isRead = method === 'get' && operation.tags.includes('catalogue')
  if (isRead) {
    const carried = headersOf(['ETag', 'ETag'], ['Cache-Status', 'CacheStatus'], ['Age', 'Age'])
    const link = path === '/v1/animes' ? headersOf(['Link', 'Link']) : {}
    responses['200']!.headers = { ...carried, ...link }
    responses['304'] = { description: 'As it was seen', headers: carried }
    responses['412'] = { description: 'Not what `If-Match` names', content: problem }
    addParameter(operation, 'IfNoneMatch')
  }
  if (responses['412'] !== undefined && (isRead || path.includes('{'))) {
    addParameter(operation, 'IfMatch')
  }
  if (path.startsWith('/v1/animes') && method === 'patch') {
    responses['200']!.headers = headersOf(['ETag', 'ETag'])
  }
  if (responses['201'] !== undefined) {
    const etag = operation.tags.includes('catalogue') ? headersOf(['ETag', 'ETag']) : {}
    responses['201'].headers = { ...headersOf(['Location', 'Location']), ...etag }
  }
  if (operation.requestBody !== undefined) {
    responses['413'] ??= { description: 'The body is too large', content: problem }
    responses['415'] ??= { description: 'The body is not JSON', content: problem }
  }
  responses['429'] ??= { description: 'Too many requests', content: problem }
  responses.default = { description: 'Any other problem', content: problem }
  for (const [status, fields] of [
    ['401', headersOf(['WWW-Authenticate', 'WwwAuthenticate'])],
    ['429', headersOf(['Retry-After', 'RetryAfter'])],
    ['503', headersOf(['Retry-After', 'RetryAfter'])],
  ] as const) {
    if (responses[status] !== undefined) responses[status].headers = fields
  }
}

function addParameter(operation: Operation, name: keyof typeof parameters): void {
  operation.parameters = [
    ...(operation.parameters ?? []).filter(({ name: given }) => given !== parameters[name].name),
    parameters[name],
  ]
}
