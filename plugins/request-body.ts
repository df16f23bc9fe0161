import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { UnsupportedBody } from './errors.ts'

const mergePatch = 'application/merge-patch+json'

/** What a resource with PATCH takes (RFC 5789, 3.1). */
export const acceptPatch = `application/json, ${mergePatch}`

/**
 * What may come as a request's body: JSON, and for PATCH also JSON Merge Patch (RFC 7396), which is what
 * our changes are. A request without a body may name any type, as many clients do with DELETE.
 */
async function requestBodyPlugin(app: FastifyInstance) {
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request
    if (!hasBody(request)) {
      delete headers['content-type']
      return done()
    }
    const coding = headers['content-encoding']
    if (coding === undefined || coding.toLowerCase() === 'identity') return done()
    done(
      new UnsupportedBody(`a body is taken without a coding; this has ${coding}`, {
        'accept-encoding': 'identity',
      }),
    )
  })
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(mergePatch, { parseAs: 'string' }, (request, body, done) => {
    if (request.method !== 'PATCH') return done(wrongType(request))
    void parseJson(request, body as string, done)
  })
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser('*', (request, _payload, done) => done(wrongType(request)))
}

/** RFC 9112, 6.3: a request has a body when one of these fields says so. */
const hasBody = ({ headers }: FastifyRequest) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

function wrongType({ method, headers: { 'content-type': given } }: FastifyRequest) {
  return method === 'PATCH'
    ? new UnsupportedBody(`a change is ${acceptPatch}; this is ${given}`, {
        'accept-patch': acceptPatch,
      })
    : new UnsupportedBody(`a body is application/json; this is ${given}`, {
        accept: 'application/json',
      })
}

export default fp(requestBodyPlugin, { name: 'request-body', dependencies: ['problems'] })
