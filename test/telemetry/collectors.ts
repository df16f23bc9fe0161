import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { root } from '../support/process.ts'
import {
  type LogRecord,
  type Point,
  readLogs,
  readPoints,
  readSpans,
  type Span,
} from './protobuf.ts'

/** The environment of a service that telemetry watches, as `npm start` has it, and in a hurry. */
export const watched = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import=${join(root, 'telemetry.ts')}`,
  OTEL_BSP_SCHEDULE_DELAY: '50',
  OTEL_BLRP_SCHEDULE_DELAY: '50',
  OTEL_METRIC_EXPORT_INTERVAL: '250',
  ...env,
})

async function serve(t: Teardown, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Answers what `take` gives for a request's path and (decompressed) body. */
const receive =
  (
    take: (path: string, body: Buffer) => string,
    admits: (authorization: string | undefined) => boolean = () => true,
  ): RequestListener =>
  (request, response) => {
    if (!admits(request.headers.authorization)) {
      request.resume()
      response.writeHead(401).end()
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const sent = Buffer.concat(chunks)
      const gzip = request.headers['content-encoding'] === 'gzip'
      const answer = take(request.url!, gzip ? gunzipSync(sent) : sent)
      response.writeHead(200, { 'content-type': request.headers['content-type'] }).end(answer)
    })
  }

/** A collector that takes OTLP over HTTP with protobuf, and keeps all it gets. */
export async function startCollector(t: Teardown) {
  const got = { spans: [] as Span[], points: [] as Point[], logs: [] as LogRecord[] }
  const port = await serve(
    t,
    createServer(
      receive((path, body) => {
        if (path === '/v1/traces') got.spans.push(...readSpans(body))
        else if (path === '/v1/metrics') got.points.push(...readPoints(body))
        else if (path === '/v1/logs') got.logs.push(...readLogs(body))
        return ''
      }),
    ),
  )
  return { ...got, env: watched({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }) }
}

/** An item of Application Insights, as its ingestion endpoint gets it. */
export interface Envelope {
  name: string
  sampleRate: number
  tags: Record<string, string>
  data: {
    baseType: string
    baseData: {
      name: string
      id: string
      type: string
      data: string
      message: string
      responseCode: string
      success: boolean
      properties: Record<string, string>
      metrics: { name: string; value: number; count: number }[]
    }
  }
}

/**
 * The ingestion endpoint of Azure Monitor (POST /v2.1/track); it insists on HTTPS, so it has it. It takes from
 * those whose Authorization header it `admits`.
 */
export async function startAzureMonitor(
  t: Teardown,
  admits?: (authorization: string | undefined) => boolean,
) {
  const items: Envelope[] = []
  const folder = temporaryFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=127.0.0.1'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1'],
    ],
    { stdio: 'ignore' },
  )
  const port = await serve(
    t,
    createSecureServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      receive((path, body) => {
        if (path !== '/v2.1/track') return ''
        const text = body.toString()
        const sent: Envelope[] = text.startsWith('[')
          ? JSON.parse(text)
          : text.split('\n').map((line) => JSON.parse(line))
        items.push(...sent)
        const { length } = sent
        return JSON.stringify({ itemsReceived: length, itemsAccepted: length, errors: [] })
      }, admits),
    ),
  )
  const env = watched({
    APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=00000000-0000-4000-8000-000000000000;IngestionEndpoint=https://127.0.0.1:${port}/`,
    NODE_EXTRA_CA_CERTS: cert,
  })
  return { items, env }
}
