// Run once in the image's build, before prune.ts: bundles the packages that the service's own files import,
// so that a start reads some twenty files of them instead of a thousand. The service's files stay as they
// are, and an import finds the bundle where the package was: node_modules/NAME/package.json leads there.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

/**
 * What stays as it is: packages that telemetry instruments by their names (in a bundle there are none), those
 * of which files are opened by their paths, and one that is loaded twice on purpose.
 */
const asInstalled = ['ioredis', 'pino', 'tedious', 'pino-pretty', 'uplot', 'csv-parse']

const root = resolve(process.argv[2] ?? '.')
const modules = join(root, 'node_modules')
const stubs = join(modules, '.stubs')

const bare = /\b(?:(?:from|import)\s*|(?:import|require)\(\s*)'([\w@][\w@./-]*)'/g
const packageOf = (specifier: string) => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0]

/** What the service's own files import; a text that only looks like an import is not found as a package. */
function imported(): string[] {
  const exclude = (name: string) => /^(node_modules|deploy)$/.test(name)
  const texts = globSync('**/*.ts', { cwd: root, exclude }).map((name) =>
    readFileSync(join(root, name), 'utf8'),
  )
  const specifiers = texts.flatMap((text) => [...text.matchAll(bare)].map(([, name]) => name!))
  return [...new Set(specifiers)].filter(
    (name) =>
      !isBuiltin(name) && !asInstalled.includes(packageOf(name)) && urlOf(name) !== undefined,
  )
}

function urlOf(specifier: string): string | undefined {
  try {
    const url = import.meta.resolve(specifier, pathToFileURL(join(root, 'app.ts')).href)
    return fileURLToPath(url).startsWith(modules) ? url : undefined
  } catch {
    return undefined
  }
}

/** Exports what `specifier` exports, in Node's eyes: a CommonJS module's names, and itself to `require`. */
async function writeStub(specifier: string): Promise<string> {
  const names = Object.keys(await import(urlOf(specifier)!))
  const listed = names.filter((name) => /^(?!__esModule$)[\w$]+$/.test(name)).join(', ')
  const whole = `import whole from '${specifier}'\nconst kept = whole\nexport { kept as 'module.exports' }\n`
  const stub = join(stubs, `${specifier.replaceAll('/', '+')}.mjs`)
  const itself = names.includes('module.exports') ? whole : ''
  writeFileSync(stub, `export { ${listed} } from '${specifier}'\n${itself}`)
  return stub
}

/** `__dirname` in a bundle is where the file was, for packages that read files beside them. */
const directories: Plugin = {
  name: 'directories',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules.*\.c?js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (!/\b__dirname\b/.test(text) || /\b(var|let|const) __dirname\b/.test(text)) return
      const [strict] = /^\s*['"]use strict['"]/.exec(text) ?? ['']
      const folder = JSON.stringify(relative(modules, join(path, '..')))
      return { contents: `${strict};const __dirname = __fromModules(${folder});${text}` }
    })
  },
}

rmSync(stubs, { recursive: true, force: true })
mkdirSync(stubs, { recursive: true })
const specifiers = imported()
const stubOf = new Map<string, string>()
for (const specifier of specifiers) stubOf.set(specifier, await writeStub(specifier))
// Since this imports everything too, all code is shared, and lands in the chunks of one folder.
const everything = join(stubs, 'everything.mjs')
writeFileSync(everything, [...stubOf.values()].map((path) => `import '${path}'\n`).join(''))

const entryOf = (specifier: string) => `bundle${specifier.slice(packageOf(specifier).length)}`
const entries = specifiers.map((name) => [`${packageOf(name)}/${entryOf(name)}`, stubOf.get(name)!])
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { ...Object.fromEntries(entries), '.stubs/all': everything },
  outdir: modules,
  chunkNames: '.bundle/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'esnext',
  // Node's own: esbuild would prefer builds for bundlers.
  conditions: [],
  external: asInstalled,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  outExtension: { '.js': '.mjs' },
  plugins: [directories],
  banner: {
    js: `import { createRequire as __createRequire } from 'node:module'
import { join as __join } from 'node:path'
const require = __createRequire(import.meta.url)
const __fromModules = (folder) => __join(import.meta.dirname, '..', folder)`,
  },
  metafile: true,
  logLevel: 'error',
})

for (const name of new Set(specifiers.map(packageOf))) {
  const path = join(modules, name, 'package.json')
  const { version, license } = JSON.parse(readFileSync(path, 'utf8'))
  const own = specifiers.filter((specifier) => packageOf(specifier) === name)
  const exports = Object.fromEntries(
    own.map((specifier) => [`.${specifier.slice(name.length)}`, `./${entryOf(specifier)}.mjs`]),
  )
  writeFileSync(path, JSON.stringify({ name, version, license, exports }))
}
const { inputs, outputs } = metafile
// For prune.ts: their licences travel with the code, and scanners read their versions.
const packages = Object.keys(inputs).flatMap(
  (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
)
writeFileSync(join(modules, '.bundle/packages.json'), JSON.stringify([...new Set(packages)]))
console.log(`bundled ${Object.keys(inputs).length} files into ${Object.keys(outputs).length}`)
