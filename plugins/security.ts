import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'

/**
 * The security headers of an answer for programs: what a browser does with it if it is opened or embedded.
 * The other fields that helmet sets are for documents.
 * https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
 */
export const apiHeaders = {
  // Opened as a document it loads nothing and is in no frame.
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  // JSON is no script, whatever a title says.
  'x-content-type-options': 'nosniff',
}

const transportSecurity = 'strict-transport-security'

/** Names of the headers above. Their values are the same in every answer of the API. */
export const securityHeaders = [...Object.keys(apiHeaders), transportSecurity]

/** Whether TLS ends before this process; without TLS `Strict-Transport-Security` may not be sent (RFC 6797, 7.2). */
const behindTls = ({ TRUST_PROXY: proxy }: Config) => proxy !== undefined && proxy !== 'false'

const oneYear = 31_536_000

/** Adds the security headers to every answer. */
async function securityPlugin(app: FastifyInstance) {
  const headers: Record<string, string> = { ...apiHeaders }
  if (behindTls(app.config)) headers[transportSecurity] = `max-age=${oneYear}; includeSubDomains`
  // Before the cache stores an answer. A hit ends before this hook: it has the headers of the miss.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (!reply.raw.hasHeader('content-security-policy')) reply.headers(headers)
    done()
  })
}

/** Adds the headers of pages, which are documents, to the routes of a scope. */
export const pageSecurity = fp(async (scope: FastifyInstance) => {
  await scope.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        'upgrade-insecure-requests': null,
        'style-src': ["'self'"],
        'font-src': ["'self'"],
      },
    },
    strictTransportSecurity: behindTls(scope.config) && { maxAge: oneYear },
  })
})

export default fp(securityPlugin, { name: 'security', dependencies: ['config'] })
