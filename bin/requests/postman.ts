import { type Request, variables } from './operations.ts'

const format = 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json'

/** Keeps the tokens of whatever answers with some, for the requests after it. */
const keepTokens = [
  'const { accessToken, refreshToken } = pm.response.json()',
  "if (accessToken) pm.collectionVariables.set('token', accessToken)",
  "if (refreshToken) pm.collectionVariables.set('refreshToken', refreshToken)",
]

/** A Postman collection (format 2.1): a folder for each tag, and a sign-in that keeps its tokens. */
export function postmanCollection(requests: Request[]): string {
  const tags = [...new Set(requests.map(({ tag }) => tag))]
  const blank = { token: '', refreshToken: '', idToken: '', resetToken: '' }
  const collection = {
    info: {
      name: 'Anime API',
      description: 'Made from the OpenAPI document by "npm run requests". Send "sign in" first.',
      schema: format,
    },
    auth: { type: 'bearer', bearer: [{ key: 'token', value: '{{token}}', type: 'string' }] },
    variable: Object.entries({ ...variables, ...blank }).map(([key, value]) => ({ key, value })),
    item: tags.map((name) => ({
      name,
      item: requests.filter(({ tag }) => tag === name).map(itemOf),
    })),
  }
  return `${JSON.stringify(collection, null, 2)}\n`
}

function itemOf({ id, summary, method, path, parameters, isPublic, body }: Request) {
  const steps = path.slice(1).replaceAll(/\{(\w+)\}/g, ':$1')
  const of = (place: string) => parameters.filter((parameter) => parameter.in === place)
  const query = of('query').map(({ name, example = '' }) => ({
    key: name,
    value: example,
    ...(example === '' && { disabled: true }),
  }))
  const sent = query.filter(({ value }) => value !== '').map(({ key, value }) => `${key}=${value}`)
  const raw = `{{baseUrl}}/${steps}${sent.length === 0 ? '' : `?${sent.join('&')}`}`
  const url = {
    raw,
    host: ['{{baseUrl}}'],
    path: steps.split('/').filter((step) => step !== ''),
    ...(query.length > 0 && { query }),
    ...(of('path').length > 0 && {
      variable: of('path').map(({ name, example = '' }) => ({ key: name, value: example })),
    }),
  }
  return {
    name: summary,
    ...(['signIn', 'refresh', 'changePassword'].includes(id) && {
      event: [{ listen: 'test', script: { type: 'text/javascript', exec: keepTokens } }],
    }),
    request: {
      method,
      ...(isPublic && { auth: { type: 'noauth' } }),
      header: body === undefined ? [] : [{ key: 'Content-Type', value: 'application/json' }],
      url,
      ...(body !== undefined && {
        body: {
          mode: 'raw',
          raw: JSON.stringify(body, null, 2),
          options: { raw: { language: 'json' } },
        },
      }),
    },
  }
}
