import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/**
 * What comes in a URL is text and is converted; what comes in a body has types and is not. Nothing
 * unknown is dropped in silence: a misspelt filter would be a different list.
 */
async function validationPlugin(app: FastifyInstance) {
  const options = {
    allErrors: true,
    strict: false,
    useDefaults: true,
    removeAdditional: false,
    multipleOfPrecision: 6,
  }
  const text = addFormats.default(new Ajv({ ...options, coerceTypes: 'array' }))
  const typed = addFormats.default(new Ajv(options))
  app.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === 'body' ? typed : text).compile(schema as object),
  )
}

export default fp(validationPlugin, { name: 'validation' })
