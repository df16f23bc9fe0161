import { createRequire, registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

/*
 * Writes the types that openapi-typescript makes of the document at argv[2] to stdout. It needs a TypeScript
 * with an API in JavaScript, which TypeScript 7 no longer is: it gets the one that tap brings.
 */
const require = createRequire(import.meta.url)
const tap = createRequire(require.resolve('tap'))
const older = createRequire(tap.resolve('@tapjs/test')).resolve('typescript')

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'typescript'
      ? next(pathToFileURL(older).href, context)
      : next(specifier, context),
})

const { default: openapiTS, astToString } = await import('openapi-typescript')
process.stdout.write(astToString(await openapiTS(pathToFileURL(process.argv[2]!))))
