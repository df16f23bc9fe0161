import { createRequire } from 'node:module'
import { Ajv, type Options } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyServerOptions } from 'fastify'

/*
 * What comes in a URL is text and is converted; what comes in a body has types and is not. Nothing
 * unknown is dropped in silence: a misspelt filter would be a different list.
 *
 * Schemas are compiled when they are first used, since compiling all of them is a good part of a
 * start; that each of them compiles is for a test to see.
 */

type Factory = NonNullable<
  NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']
>
type SerializerFactory = NonNullable<Factory['buildSerializer']>

const options = {
  allErrors: true,
  strict: false,
  validateSchema: false,
  useDefaults: true,
  removeAdditional: false,
  multipleOfPrecision: 6,
  discriminator: true,
} as const

/** Lengths are UTF-16 units, as the columns of SQL Server have them; the option of this name makes Ajv warn. */
function validatorOf(given: Options) {
  const ajv = addFormats.default(new Ajv(given))
  ajv.opts.unicode = false
  return ajv
}

const buildValidator = () => {
  const text = validatorOf({ ...options, coerceTypes: 'array' })
  const typed = validatorOf(options)
  return ({ schema, httpPart }: { schema: unknown; httpPart?: string }) => {
    let compiled: ReturnType<typeof text.compile> | undefined
    const validate = (data: unknown): boolean => {
      compiled ??= (httpPart === 'body' ? typed : text).compile(schema as object)
      const valid = compiled(data) as boolean
      validate.errors = compiled.errors
      return valid
    }
    validate.errors = undefined as typeof text.errors
    return validate
  }
}

const require = createRequire(import.meta.url)

const buildSerializer: SerializerFactory = (schemas, serializerOptions) => {
  let compile: ReturnType<SerializerFactory> | undefined
  return (route) => {
    let serialize: ((data: unknown) => string) | undefined
    return (data) => {
      if (serialize === undefined) {
        const load = require('@fastify/fast-json-stringify-compiler') as () => SerializerFactory
        compile ??= load()(schemas, serializerOptions)
        serialize = compile(route)
      }
      return serialize(data)
    }
  }
}

/** For Fastify's `schemaController`. */
export const schemaCompilers = { buildValidator, buildSerializer } as unknown as Factory
