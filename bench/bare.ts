import { readFileSync } from 'node:fs'
import http from 'node:http'
import Fastify from 'fastify'

/*
 * A minimal server to compare the service with. It sends the headers of FILE.json and the bytes of
 * FILE.body.
 *
 *   bare.ts http FILE           node:http
 *   bare.ts fastify FILE        a Fastify route, the same headers
 *   bare.ts fastify-body FILE   a Fastify route, body and content type only
 */
const [kind, file] = process.argv.slice(2) as [string, string]
const headers = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Record<string, string>
const bytes = readFileSync(`${file}.body`)
// Node sends headers and a string in one write, headers and a Buffer in two. A small body is faster as a
// string, a large one as a Buffer.
const text = bytes.toString()
const body = bytes.length <= 8192 && Buffer.from(text).equals(bytes) ? text : bytes
const port = Number(process.env.PORT)

if (kind === 'http') {
  const headerList = Object.entries(headers).flat()
  const server = http.createServer((_request, response) => {
    response.writeHead(200, headerList)
    response.end(body)
  })
  server.listen(port, '127.0.0.1')
} else {
  const app = Fastify()
  const sentHeaders = kind === 'fastify' ? headers : { 'content-type': headers['content-type'] }
  app.get('*', (_request, reply) => {
    reply.headers(sentHeaders).send(body)
  })
  await app.listen({ port, host: '127.0.0.1' })
}
