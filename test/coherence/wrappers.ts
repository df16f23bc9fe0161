import type { createRedisJournal } from '../../plugins/cache/redis-journal.ts'
import type { prepareRoute } from '../../plugins/cache/route.ts'

/** Replaces what a module of the product exports under `name` by what `wrap` makes of it. */
export interface Wrapper {
  /** The module's path in the repository. */
  module: string
  name: string
  wrap: (original: never) => unknown
}

/** Of what a factory makes, some functions are replaced. They may call the original ones in `made`. */
const wrapFactory =
  <Args extends unknown[], Made extends object>(module: string, name: string) =>
  (change: (made: Made, ...args: Args) => Partial<Made>): Wrapper => ({
    module,
    name,
    wrap:
      (original: (...args: Args) => Made) =>
      (...args: Args): Made => {
        const made = original(...args)
        return Object.assign(made, change({ ...made }, ...args))
      },
  })

/** `wrapFactory` for a factory by its type. */
export const wrapMade = <Factory extends (...args: never[]) => object>(
  module: string,
  name: string,
) => wrapFactory<Parameters<Factory>, ReturnType<Factory>>(module, name)

export const wrapJournal = wrapMade<typeof createRedisJournal>(
  'plugins/cache/redis-journal.ts',
  'createRedisJournal',
)

export const wrapRoute = wrapMade<typeof prepareRoute>('plugins/cache/route.ts', 'prepareRoute')

/** Some of the options that a factory gets are replaced. */
export const wrapOptions =
  <Factory extends (options: never) => unknown>(module: string, name: string) =>
  (change: (options: Parameters<Factory>[0]) => Partial<Parameters<Factory>[0]>): Wrapper => ({
    module,
    name,
    wrap: (original: (options: unknown) => unknown) => (options: Parameters<Factory>[0]) =>
      original(Object.assign({}, options, change(options))),
  })
