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
// The fastest way to send it: Node sends headers and a text in one write, headers and a Buffer in two, and a
// text of one byte a character without a conversion. A large one is faster as a Buffer.
const body = bytes.length <= 8192 ? bytes.toString('latin1') : bytes
const port = Number(process.env.PORT)

if (kind === 'http') {
  const headerList = Object.entries(headers).flat()
  const server = http.createServer((_request, response) => {
    response.writeHead(200, headerList)
    response.end(body, 'latin1')
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
