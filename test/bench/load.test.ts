import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../support/app.ts'
import { run } from '../support/process.ts'

const load = (t: Parameters<typeof run>[0], folder: string, ...args: string[]) =>
  run(t, 'bench/load/index.ts', ['--seconds', '2', '--connections', '2,4', ...args], {}, folder)

t.test('the measurements are repeated and charted in one self-contained file', async (t) => {
  const folder = temporaryFolder(t)
  const { exited, stdout, stderr } = load(t, folder)
  t.match(await exited, { code: 0 }, stderr())
  t.match(stdout(), /the full list, first: .*200 fwd=miss \(the original: 21\.01 s\)/)
  t.match(stdout(), /the full list again: .*200 hit/)
  t.match(stdout(), /an insert by a user: .*403/)
  t.match(stdout(), /an insert by an admin: .*201/)
  t.match(stdout(), /the full list after it: .*200 fwd=miss/)
  t.match(stdout(), /connections +requests\/s +p50/)
  const page = readFileSync(join(folder, 'load-report.html'), 'utf8')
  t.equal(page.match(/<svg /g)?.length, 7)
  t.notMatch(page, /<script|<link|<img|src=|NaN|undefined/)
})

t.test('a service at which too much fails is left alone', async (t) => {
  const server = createServer((request, response) => {
    const listed = request.url === '/v1/animes' || request.url === '/v1/animes?type=TV'
    response.writeHead(listed || request.url === '/health/live' ? 200 : 503).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { exited, stdout, stderr } = load(t, temporaryFolder(t), '--url', url)
  t.match(await exited, { code: 1 })
  t.match(stdout(), 'no admin: the inserts are left out')
  t.match(stderr(), 'stopped: more than 5 % failed')
  t.notMatch(stdout(), '4 connections, second', 'the next level is not tried')
})

t.test('an address where nobody answers is said', async (t) => {
  const { exited, stderr } = load(t, temporaryFolder(t), '--url', 'http://127.0.0.1:9')
  t.match(await exited, { code: 1 })
  t.match(stderr(), /^http:\/\/127\.0\.0\.1:9\/health\/live does not answer: .*\n$/)
})
