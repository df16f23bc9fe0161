// Run once in the image's build, after pack.ts: deletes from node_modules what nothing can load. Four fifths of what is
// installed are such files: sources, types, tests, builds for browsers and for older loaders. It follows
// imports and requires from the service's own files; a text that only looks like an import keeps a file too
// many, never one too few. What is found by its path instead is named in `alsoRead`.
import { globSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Files that packages open by their path: assets, threads, and descriptions. */
const alsoRead = [
  '@fastify/swagger-ui/static/{*.{html,css,json,svg,png},oauth2-redirect.js,swagger-ui-*.js}',
  'uplot/dist/uPlot.{esm.js,min.css}',
  'pino/{file.js,lib/worker.js}',
  'thread-stream/lib/*.js',
  '{import-in-the-middle,**/import-in-the-middle}/{hook.mjs,lib/*.{js,mjs}}',
]

/** Licences travel with the code; package.json says how it is loaded, and its version. */
const ofEachPackage = /^package\.json$|^(licen[sc]e|notice|copying)[^/]*$/i

const specifiers = [
  /\b(?:from|import)\s*["']([^"'\n]+)["']/g,
  /\b(?:import|import\.meta\.resolve|register|new URL)\(\s*["'`]([^"'`\n$]+)["'`]/g,
  /\btarget: ["']([^"'\n]+)["']/g,
]
const required =
  /\b(?:(?:__)?require|createRequire\([^()]*\))(?:\.resolve)?\(\s*["'`]([^"'`\n$]+)["'`]\s*[,)]/g

/** Every file that `text` may load, as far as it can be found from `file`. */
function* targets(file: string, text: string): Generator<string> {
  const require = createRequire(file)
  for (const [, name = ''] of text.matchAll(required)) {
    if (!isBuiltin(name)) yield* attempt(() => require.resolve(name))
  }
  for (const pattern of specifiers) {
    for (const [, name = ''] of text.matchAll(pattern)) {
      if (isBuiltin(name)) continue
      yield* attempt(() => fileURLToPath(import.meta.resolve(name, pathToFileURL(file).href)))
    }
  }
}

function* attempt(resolve: () => string): Generator<string> {
  try {
    const path = resolve()
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) yield path
  } catch {
    // A text that only looks like an import, or an optional package that is not installed.
  }
}

function reachable(roots: string[]): Set<string> {
  const seen = new Set<string>()
  for (const queue = [...roots]; queue.length > 0; ) {
    const file = queue.pop()!
    if (seen.has(file)) continue
    seen.add(file)
    if (/\.([mc]?[jt]s)$|\/[^.]+$/.test(file))
      queue.push(...targets(file, readFileSync(file, 'utf8')))
  }
  return seen
}

/** A source map inside a script, for debuggers: in one driver it is three quarters of the file. */
function dropInlineMap(path: string): void {
  if (!path.startsWith(modules) || !/\.[mc]?js$/.test(path)) return
  const text = readFileSync(path, 'utf8')
  const shorter = text.replace(/^\/\/# sourceMappingURL=data:.*$/gm, '')
  if (shorter !== text) writeFileSync(path, shorter)
}

const packageOf = (path: string) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? ''

const root = resolve(process.argv[2] ?? '.')
const files = (patterns: string[], cwd: string) =>
  globSync(patterns, {
    cwd,
    exclude: (name) => cwd === root && /^(node_modules|deploy)$/.test(name),
  })
    .map((name) => join(cwd, name))
    .filter((path) => statSync(path).isFile())
const modules = join(root, 'node_modules')
const own = files(['**/*.{ts,cjs}', 'public/**/*.js'], root)
const kept = reachable([...own, ...files(alsoRead, modules)])
const bundled: string[] = JSON.parse(readFileSync(join(modules, '.bundle/packages.json'), 'utf8'))
const packages = new Set([...[...kept].map(packageOf), ...bundled.map((path) => join(root, path))])
// In inner folders too, a package.json says how the files below it are loaded.
const folders = new Set<string>()
for (const path of kept) {
  for (let folder = dirname(path); folder.startsWith(modules); folder = dirname(folder)) {
    folders.add(folder)
  }
}

const before = readdirSync(modules, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
const extra = before.filter((path) => {
  if (kept.has(path)) return false
  if (basename(path) === 'package.json' && folders.has(dirname(path))) return false
  return !packages.has(packageOf(path)) || !ofEachPackage.test(relative(packageOf(path), path))
})
for (const path of extra) rmSync(path)
for (const path of kept) dropInlineMap(path)
console.log(`kept ${before.length - extra.length} of ${before.length} files`)
