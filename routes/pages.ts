import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { FastifyInstance, FastifyReply } from 'fastify'
import Negotiator from 'negotiator'
import { Type } from 'typebox'
import { pageSecurity } from '../plugins/security.ts'

const root = join(import.meta.dirname, '../public')
const explorer = join(root, 'explorer/index.html')
const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist')

/** What the pages are made of, by URL. A URL that is not here is no file, whatever it climbs to. */
const files: Record<string, string> = {
  '/favicon.ico': join(root, 'favicon.ico'),
  '/icon.svg': join(root, 'icon.svg'),
  ...partsIn('shared'),
  ...partsIn('explorer'),
  ...partsIn('monitor'),
  '/monitor': join(root, 'monitor/index.html'),
  '/monitor/uplot.js': join(uplot, 'uPlot.esm.js'),
  '/monitor/uplot.css': join(uplot, 'uPlot.min.css'),
}

const mediaTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ico': 'image/x-icon',
}

const link = Type.String({ format: 'uri-reference' })
const Links = Type.Object(
  { api: link, docs: link, openapi: link, monitor: link, health: link },
  { description: 'where to go from here' },
)
const links = {
  api: '/v1/animes?limit=20',
  docs: '/docs',
  openapi: '/openapi.json',
  monitor: '/monitor',
  health: '/health/ready',
}

/** The pages for people, explorer and monitor. They hold no data themselves, so they are public. */
export default async function routes(app: FastifyInstance) {
  await app.register(pageSecurity)
  for (const [url, path] of Object.entries(files)) {
    app.get(url, { logLevel: 'warn', schema: { hide: true } }, (_request, reply) =>
      sendFile(reply, path),
    )
  }
  app.get(
    '/',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'root',
        summary: 'Where to go from here; for a browser, a page that explores the catalogue',
        tags: ['operation'],
        response: { 200: Links },
      },
    },
    async (request, reply) => {
      reply.header('vary', [reply.getHeader('vary'), 'accept'].filter(Boolean).join(', '))
      if (prefersHtml(request.headers.accept)) return sendFile(reply, explorer)
      return reply.header('cache-control', 'no-cache').send(links)
    },
  )
}

/** The files in a folder of `public/`, without its page. */
function partsIn(folder: string): Record<string, string> {
  const names = readdirSync(join(root, folder)).filter((name) => extname(name) !== '.html')
  return Object.fromEntries(names.map((name) => [`/${folder}/${name}`, join(root, folder, name)]))
}

const sendFile = async (reply: FastifyReply, path: string) =>
  reply
    .type(mediaTypes[extname(path)]!)
    .header('cache-control', 'no-cache')
    .send(await readFile(path))

/** Whether a request would rather have HTML than JSON (RFC 9110, 12.5.1). In doubt it is a program. */
function prefersHtml(accept: string | undefined): boolean {
  const offered = ['application/json', 'text/html']
  return new Negotiator({ headers: { accept } }).mediaType(offered) === 'text/html'
}
