import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** Who is where imports from the same row and from those below, never from one above. */
const layers = [
  /^(bench|bin|test)\//,
  /^(server|telemetry)\.ts$/,
  /^app\.ts$/,
  /^routes\//,
  /^(plugins|telemetry)\//,
  /^schemas\//,
  /^(config|dot-env)\.ts$/,
  /^db\//,
  /^catalogue\//,
]
const folders = 'bench,bin,catalogue,db,plugins,routes,schemas,telemetry,test'
const files = globSync(['*.ts', `{${folders}}/**/*.ts`], { exclude: ['**/node_modules/**'] })
const imported = /(?:from|import\(?)\s*'(\.[^']*\.ts)'/g
const importsOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(imported)].map(([, path]) => join(dirname(file), path!))
const graph = new Map(files.map((file) => [file, importsOf(file)]))
const arrows = [...graph].flatMap(([from, all]) => all.map((to) => ({ from, to })))
const shown = (wrong: typeof arrows) => wrong.map(({ from, to }) => `${from} -> ${to}`)
const layerOf = (file: string) => layers.findIndex((layer) => layer.test(file))

t.test('every file has a layer, and imports point one way', async (t) => {
  t.strictSame(
    files.filter((file) => layerOf(file) === -1),
    [],
  )
  t.strictSame(shown(arrows.filter(({ from, to }) => layerOf(to) < layerOf(from))), [])
})

t.test('telemetry is loaded by the start and by its own plugin only', async (t) => {
  const inside = /^(telemetry[./]|plugins\/telemetry\.ts$|test\/)/
  const wrong = arrows.filter(({ from, to }) => /^telemetry\//.test(to) && !inside.test(from))
  t.strictSame(shown(wrong), [])
})

t.test('the cache knows neither database nor catalogue', async (t) => {
  const outside = /^(?:plugins\/cache\/|[^.]*node_modules)/
  const wrong = arrows.filter(({ from, to }) => /^plugins\/cache\//.test(from) && !outside.test(to))
  t.strictSame(shown(wrong), [])
})

t.test('no files import each other in a circle', async (t) => {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (path.includes(file) || done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.strictSame(circles, [])
})
