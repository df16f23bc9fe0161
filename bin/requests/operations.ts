/** One request to try, as the document has it. */
export interface Request {
  id: string
  summary: string
  tag: string
  method: string
  /** With `{id}` where something has to be put in. */
  path: string
  isPublic: boolean
  parameters: { name: string; in: 'path' | 'query'; example: string | undefined }[]
  /** The example of a body, with the values of `variables` named. */
  body: unknown
}

/** What the requests share; the first three are what README.md starts the service with. */
export const variables = {
  baseUrl: 'http://127.0.0.1:3000',
  email: 'admin@example.org',
  password: 'correct-horse-battery',
}

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security: object[]
  parameters?: { name: string; in: string; example?: unknown }[]
  requestBody?: { content: Record<string, { example?: unknown; schema: object }> }
}

const methods = ['get', 'post', 'patch', 'delete']
/** Those that end a session or an account come after the others. */
const last = ['signOut', 'removeAnime', 'purgeCache', 'changePassword', 'removeAccount']
const tagOrder = ['accounts', 'catalogue', 'operation']

/** The operations of a document, in the order in which one would try them. */
export function operationsOf(document: object): Request[] {
  const { paths, components } = document as {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, { examples?: unknown[] }> }
  }
  const rank = ({ id, tag }: Request) => last.indexOf(id) * 10 + tagOrder.indexOf(tag)
  return Object.entries(paths)
    .flatMap(([path, operations]) =>
      methods
        .filter((method) => operations[method] !== undefined)
        .map((method) => requestOf(path, method, operations[method]!, components.schemas)),
    )
    .sort((a, b) => rank(a) - rank(b))
}

function requestOf(
  path: string,
  method: string,
  { operationId: id, summary, tags, security, parameters = [], requestBody }: Operation,
  schemas: Record<string, { examples?: unknown[] }>,
): Request {
  const shown = parameters
    .filter((parameter) => parameter.in === 'path' || parameter.in === 'query')
    .map(({ name, in: place, example }) => ({
      name,
      in: place as 'path' | 'query',
      example: example === undefined ? undefined : String(example),
    }))
  const content = requestBody?.content['application/json']
  const reference = (content?.schema as { $ref?: string } | undefined)?.$ref?.split('/').at(-1)
  const example = content?.example ?? schemas[reference ?? '']?.examples?.[0] ?? exampleOf(content)
  return {
    id,
    summary,
    tag: tags[0]!,
    method: method.toUpperCase(),
    path,
    isPublic: security.length === 0,
    parameters: shown,
    body: content === undefined ? undefined : withVariables(id, example),
  }
}

/** For a body without an example: its required strings, each as a variable of its name. */
function exampleOf(content: { schema: object } | undefined): Record<string, string> {
  const { properties = {} } = (content?.schema ?? {}) as { properties?: object }
  return Object.fromEntries(Object.keys(properties).map((name) => [name, `{{${name}}}`]))
}

/** Who signs in is the admin, so that all requests work; a sign-up is somebody else's. */
function withVariables(id: string, example: unknown): unknown {
  if (id === 'signIn') return { email: '{{email}}', password: '{{password}}' }
  if (id === 'changePassword') return { password: '{{password}}', newPassword: '{{password}}' }
  if (id === 'resetPassword') return { token: '{{resetToken}}', password: '{{password}}' }
  // Whoever sends everything should not lose the account by it.
  if (id === 'removeAccount') return { password: '(the password, to confirm)' }
  return example
}
