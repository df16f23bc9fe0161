import { readFileSync } from 'node:fs'
import http from 'node:http'
import Fastify from 'fastify'

/*
 * What the service is compared with: a server that does nothing but send the bytes of FILE.json
 * (header fields) and FILE.body.
 *
 *   bare.ts http FILE           node:http
 *   bare.ts fastify FILE        a route of Fastify, the same header fields
 *   bare.ts fastify-body FILE   a route of Fastify, the body and its type alone
 */
const [kind, file] = process.argv.slice(2) as [string, string]
const headers = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Record<string, string>
const bytes = readFileSync(`${file}.body`)
// Node sends a text in one write with its header, a buffer in two: each gets what is best for it.
const text = bytes.toString()
const body = bytes.length <= 8192 && Buffer.from(text).equals(bytes) ? text : bytes
const port = Number(process.env.PORT)

if (kind === 'http') {
  const block = Object.entries(headers).flat()
  const server = http.createServer((_request, response) => {
    response.writeHead(200, block)
    response.end(body)
  })
  server.listen(port, '127.0.0.1')
} else {
  const app = Fastify()
  const sent = kind === 'fastify' ? headers : { 'content-type': headers['content-type'] }
  app.get('*', (_request, reply) => {
    reply.headers(sent).send(body)
  })
  await app.listen({ port, host: '127.0.0.1' })
}
