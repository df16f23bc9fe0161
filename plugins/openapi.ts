import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import manifest from '../package.json' with { type: 'json' }
import { Anime } from '../schemas/anime.ts'
import { Problem } from '../schemas/problems.ts'
import { publish } from './openapi-document.ts'
import { pageSecurity } from './security.ts'

const description = `A catalogue of anime titles.

Lists are whole unless \`limit\` is given. Answers carry a strong \`ETag\` (send it back in
\`If-None-Match\`) and say in \`Cache-Status\` (RFC 9211) whether they come from the cache, which never
shows a state older than the last finished write. Errors are RFC 9457 problem documents.`

/** Nothing from outside, nothing inline but the styles that Swagger UI sets on its elements. */
const contentSecurity = {
  'default-src': "'none'",
  'base-uri': "'none'",
  'connect-src': "'self'",
  'font-src': "'self' data:",
  'form-action': "'self'",
  'frame-ancestors': "'none'",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
}

const icon = {
  path: join(import.meta.dirname, '../public/icon.svg'),
  type: 'image/svg+xml',
}

/** OpenAPI 3.1 at `/openapi.json`, made from the routes' own schemas, and Swagger UI at `/docs`. */
async function openapiPlugin(app: FastifyInstance) {
  app.addSchema(Anime)
  app.addSchema(Problem)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Anime API',
        version: manifest.version,
        description,
        contact: { name: 'Anime API' },
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'catalogue', description: 'The titles' },
        { name: 'accounts', description: 'Sign-up, sign-in and tokens' },
        { name: 'operation', description: 'Health, cache and metrics' },
      ],
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      },
    },
    transformObject: (made) =>
      'openapiObject' in made ? publish(made.openapiObject) : made.swaggerObject,
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, i) => String(schema.$id ?? `def-${i}`),
    },
  })
  await app.register(docsPage)
  app.get('/openapi.json', { schema: { hide: true }, logLevel: 'warn' }, async () => app.swagger())
}

async function docsPage(scope: FastifyInstance) {
  await scope.register(pageSecurity)
  const content = await readFile(icon.path)
  await scope.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: contentSecurity,
    theme: {
      title: 'Anime API',
      favicon: [{ filename: 'icon.svg', rel: 'icon', type: icon.type, sizes: 'any', content }],
    },
    logo: { type: icon.type, content, href: '../', target: '_self' },
    // The page has a copy of its own, since `servers` is relative to where a document is.
    transformSpecification: (document) => ({ ...document, servers: [{ url: '..' }] }),
    uiHooks: {
      onRequest: (request, reply, done) => {
        if (request.url.split('?', 1)[0]!.endsWith('/yaml')) reply.redirect('../openapi.json', 301)
        else done()
      },
    },
    logLevel: 'warn',
    uiConfig: { tryItOutEnabled: true, displayRequestDuration: true, docExpansion: 'list' },
  })
}

export default fp(openapiPlugin, { name: 'openapi', dependencies: ['config'] })
