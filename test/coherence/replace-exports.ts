import { registerHooks } from 'node:module'
import type { Wrapper } from './wrappers.ts'

const root = new URL('../../', import.meta.url).href

/**
 * Replaces exports of the product's modules in this process, before they are loaded. A wrapper whose export
 * is gone stops the process.
 */
export function replaceExports(wrappers: Wrapper[]): void {
  const byModule = Map.groupBy(wrappers, ({ module }) => root + module)

  /** Called by the modules below: the export, wrapped by every wrapper for it. */
  function wrapped(module: string, name: string, original: unknown): unknown {
    if (original === undefined) throw new Error(`${module} has no export ${name}`)
    const found = byModule.get(module)!.filter((wrapper) => wrapper.name === name)
    return found.reduce<unknown>((made, { wrap }) => wrap(made as never), original)
  }

  Object.assign(globalThis, { wrapped })
  registerHooks({
    load(url, context, nextLoad) {
      const replaced = byModule.get(url)
      if (replaced === undefined) return nextLoad(url, context)
      // The module itself is loaded under another URL; this one passes its exports on.
      const original = JSON.stringify(`${url}?original`)
      const names = [...new Set(replaced.map(({ name }) => name))]
      const lines = names.map(
        (name) =>
          `export const ${name} = wrapped(${JSON.stringify(url)}, '${name}', original.${name})`,
      )
      const source = [
        `import * as original from ${original}`,
        `export * from ${original}`,
        ...lines,
      ].join('\n')
      return { format: 'module', source, shortCircuit: true }
    },
  })
}
