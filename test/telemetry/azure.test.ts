import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startEntra } from '../support/entra.ts'
import { databaseReady, startServer } from '../support/process.ts'
import { until } from '../support/until.ts'
import { type Envelope, startAzureMonitor } from './collectors.ts'

const page = '/v1/animes?type=TV&limit=3'
const kind = (wanted: string) => (item: Envelope) => item.data.baseType === wanted

t.test('Application Insights gets requests, what they depended on, and the log', async (t) => {
  const azure = await startAzureMonitor(t)
  const server = await startServer(t, { ...azure.env, OTEL_SERVICE_NAME: 'anime-staging' })
  await databaseReady(server.url)
  await (await fetch(`${server.url}${page}`)).text()
  await (await fetch(`${server.url}${page}`)).text()
  t.match(await server.stop(), { code: 0 })

  const requests = azure.items.filter(kind('RequestData'))
  const dependencies = azure.items.filter(kind('RemoteDependencyData'))
  t.equal(requests.length, 2, 'one for each request, and none for health')
  const [miss, hit] = ['miss', 'hit'].map((status) =>
    requests.find(({ data }) => data.baseData.properties['anime_api.cache.status'] === status),
  ) as [Envelope, Envelope]
  t.match(hit, {
    sampleRate: 100,
    tags: {
      'ai.cloud.role': 'anime-staging',
      'ai.operation.name': 'GET /v1/animes',
    },
    data: {
      baseData: {
        name: 'GET /v1/animes',
        responseCode: '200',
        success: true,
        properties: { 'anime_api.cache.key': 'animes:limit=3&type=TV' },
      },
    },
  })
  const below = ({ data, tags }: Envelope) =>
    dependencies.filter(
      (item) =>
        item.tags['ai.operation.id'] === tags['ai.operation.id'] &&
        item.tags['ai.operation.parentId'] === data.baseData.id,
    )
  t.same(
    below(hit).map(({ data }) => data.baseData.name),
    ['cache lookup'],
  )
  t.match(
    below(miss).find(({ data }) => data.baseData.name === 'SELECT animes'),
    { data: { baseData: { data: /^select / } } },
  )
  t.match(
    azure.items.filter(kind('MessageData')).find(({ data }) => data.baseData.message === 'request'),
    { tags: { 'ai.operation.id': miss.tags['ai.operation.id'] } },
  )
})

t.test('the counters are custom metrics that add up', async (t) => {
  const azure = await startAzureMonitor(t)
  const server = await startServer(t, azure.env)
  await databaseReady(server.url)
  const values = (wanted: string) =>
    azure.items.flatMap(({ data }) =>
      (data.baseData.metrics ?? []).filter(({ name }) => name === wanted),
    )
  const sum = (wanted: string) => values(wanted).reduce((sum, { value }) => sum + value, 0)
  for (let count = 0; count < 3; count += 1) await (await fetch(`${server.url}${page}`)).text()
  await until('two exports', () => values('anime_api.cache.hits').length >= 2)
  for (let count = 0; count < 3; count += 1) await (await fetch(`${server.url}${page}`)).text()
  await server.stop()
  t.equal(sum('anime_api.cache.hits'), 5)
  t.equal(sum('anime_api.cache.misses'), 1)
  t.equal(sum('anime_api.cache.stale_reads'), 0)
  t.ok(values('anime_api.cache.stale_reads').length > 0, 'the alert has something to ask for')
  const durations = values('http.server.request.duration')
  t.equal(
    durations.reduce((total, { count }) => total + count, 0),
    6,
  )
})

t.test('a sample stands for what was left out', async (t) => {
  const azure = await startAzureMonitor(t)
  const server = await startServer(t, { ...azure.env, OTEL_TRACES_SAMPLER_ARG: '0.5' })
  const ask = (id: string) =>
    fetch(`${server.url}/nowhere`, {
      headers: { traceparent: `00-${id.padStart(32, 'a')}-b7ad6b7169203331-01` },
    })
  await ask('00000001')
  await ask('ffffffff')
  await server.stop()
  const requests = azure.items.filter(kind('RequestData'))
  t.equal(requests.length, 1)
  t.match(requests[0], { sampleRate: 50, data: { baseData: { responseCode: '404' } } })
})

t.test('where keys are refused, the identity of the process signs in', async (t) => {
  const entra = await startEntra(t, [], 3600, 'https://monitor.azure.com')
  const azure = await startAzureMonitor(t, (authorization) =>
    /^Bearer e30\..+\.signature-\d+$/.test(authorization ?? ''),
  )
  const server = await startServer(t, {
    ...azure.env,
    ...entra.env,
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential',
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: `Authorization=AAD;ClientId=${randomUUID()}`,
  })
  await (await fetch(`${server.url}/nowhere`)).text()
  const sent = (wanted: string) => azure.items.some(kind(wanted))
  await until('all three signals', () => ['RequestData', 'MessageData', 'MetricData'].every(sent))
  t.equal(entra.issued(), 1, 'one token for all of them')
})
