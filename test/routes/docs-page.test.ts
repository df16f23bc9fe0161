import t from 'tap'
import { startApp } from '../support/app.ts'
import { noBrowser, startBrowser } from '../support/browser.ts'

t.test('the docs page tries the list out on the first click', { skip: noBrowser }, async (t) => {
  const app = await startApp(t, {}, { titles: 500 })
  const base = await app.listen({ port: 0, host: '127.0.0.1' })
  const browser = await startBrowser(t)
  const page = await browser.newPage({ viewport: { width: 1280, height: 1400 } })
  const complaints: string[] = []
  const elsewhere: string[] = []
  const answered: [path: string, status: number][] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${base}/`)) {
      elsewhere.push(request.url())
    }
  })
  page.on('response', (response) => {
    answered.push([response.url().slice(base.length), response.status()])
  })

  await page.goto(`${base}/docs`)
  const operation = page.locator('#operations-catalogue-listAnimes')
  await operation.locator('.opblock-summary-control').click()
  const limit = operation.locator('tr[data-param-name=limit] input')
  await limit.waitFor()
  t.equal(await limit.inputValue(), '20', 'limit is filled in')
  for (const name of ['q', 'sort', 'fields', 'cursor', 'year', 'minScore']) {
    const field = operation.locator(`tr[data-param-name=${name}] input`)
    t.equal(await field.inputValue(), '', `${name} is empty`)
  }
  await operation.locator('button.execute').click()
  const status = operation.locator('.live-responses-table .response-col_status').last()
  await status.waitFor()
  t.match(await status.textContent(), /^200/)
  const body = await operation
    .locator('.live-responses-table .highlight-code')
    .first()
    .textContent()
  t.match(body, '"total": 500')
  t.match(answered.at(-1), ['/v1/animes?limit=20', 200])
  if (process.env.SCREENSHOT)
    await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true })

  t.strictSame(complaints, [], 'no error in the console, no violation of the CSP')
  t.strictSame(elsewhere, [], 'nothing is fetched from outside')
  t.ok(
    answered.every(([, code]) => code < 400),
    JSON.stringify(answered),
  )
})
