import { type Request, variables } from './operations.ts'

/** What is taken from the answer of the sign-in. */
const answers = ['refreshToken'] as const

/**
 * A file of requests for VS Code's REST client, Visual Studio and JetBrains: variables first, then one
 * request after the other. The sign-in has a name, from whose answer the tokens of the others come.
 */
export function httpFile(requests: Request[]): string {
  const head = [
    '# Made from the OpenAPI document by "npm run requests"; send "Sign in" first.',
    ...Object.entries(variables).map(([name, value]) => `@${name} = ${value}`),
    '@token = {{signIn.response.body.$.accessToken}}',
    ...answers.map((name) => `@${name} = {{signIn.response.body.$.${name}}}`),
    '@idToken = (of a sign-in with Firebase)',
    '@resetToken = (of npm run user -- reset EMAIL)',
  ]
  return `${[head.join('\n'), ...requests.map(section)].join('\n\n')}\n`
}

function section(request: Request): string {
  const { id, summary, method, path, parameters, isPublic, body } = request
  const given = (name: string) =>
    parameters.find((parameter) => parameter.name === name)?.example ?? `{{${name}}}`
  const query = parameters
    .filter((parameter) => parameter.in === 'query' && parameter.example !== undefined)
    .map(({ name, example }) => `${name}=${encodeURIComponent(example!)}`)
    .join('&')
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name) => given(name))
  const lines = [
    `### ${summary}`,
    `# @name ${id}`,
    `${method} {{baseUrl}}${url}${query === '' ? '' : `?${query}`}`,
    ...(isPublic ? [] : ['Authorization: Bearer {{token}}']),
  ]
  if (body === undefined) return lines.join('\n')
  return [...lines, 'Content-Type: application/json', '', JSON.stringify(body, null, 2)].join('\n')
}
