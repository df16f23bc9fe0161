import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { createSampler } from '../../telemetry/sampling.ts'

const requests = (count: number, traceparent?: string) =>
  Array.from({ length: count }, () => {
    const request = new IncomingMessage(new Socket())
    if (traceparent !== undefined) request.headers.traceparent = traceparent
    return request
  })

t.test('whether a request is traced is drawn once, however often it is asked', async (t) => {
  const isSampled = createSampler(0.5)
  const asked = requests(200)
  const first = asked.map(isSampled)
  t.ok(first.includes(true) && first.includes(false))
  t.strictSame(asked.map(isSampled), first)
})

t.test('a caller lowers the share of traces, and never raises it', async (t) => {
  const traceparent = (flags: string) => `00-${'ab'.repeat(12)}80000000-${'cd'.repeat(8)}-${flags}`
  const sampled = (ratio: number, flags: string) =>
    createSampler(ratio)(requests(1, traceparent(flags))[0]!)
  t.equal(sampled(0.6, '00'), false)
  t.equal(sampled(0.6, '01'), true, 'its id lies at a half')
  t.equal(sampled(0.4, '01'), false)
})
