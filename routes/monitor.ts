import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import { takeSnapshot } from '../plugins/metrics/snapshot.ts'

const page = join(import.meta.dirname, '../public/monitor')
const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist')

const files: Record<string, string> = {
  '/monitor': join(page, 'index.html'),
  ...Object.fromEntries(
    ['monitor.js', 'charts.js', 'numbers.js', 'session.js', 'monitor.css'].map((name) => [
      `/monitor/${name}`,
      join(page, name),
    ]),
  ),
  '/monitor/uplot.js': join(uplot, 'uPlot.esm.js'),
  '/monitor/uplot.css': join(uplot, 'uPlot.min.css'),
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

/**
 * A page that shows this instance at work, and the numbers that it draws. The page says nothing by
 * itself and is for everybody; the numbers are for admins wherever the catalogue is not public.
 */
export default async function routes(app: FastifyInstance) {
  const quiet: RouteShorthandOptions = { logLevel: 'warn', schema: { hide: true } }
  for (const [url, path] of Object.entries(files)) {
    app.get(url, quiet, async (_request, reply) =>
      reply
        .type(types[extname(path)]!)
        .header('cache-control', 'no-cache')
        .send(await readFile(path)),
    )
  }
  app.get(
    '/monitor/data',
    { ...quiet, onRequest: app.config.READ_ROLE === 'public' ? [] : [app.requireRole('admin')] },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return takeSnapshot(app.metrics)
    },
  )
}
