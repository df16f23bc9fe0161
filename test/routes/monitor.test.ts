import type { Page } from 'playwright-core'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { noBrowser, openPage, startBrowser, violations } from '../support/browser.ts'
import { databaseReady, startServer } from '../support/process.ts'
import { until } from '../support/until.ts'

const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' }

const tile = async (page: Page, name: string) =>
  page.locator('.tile', { hasText: name }).locator('dd').first().textContent()

t.test('the numbers are for admins where the catalogue is not public', async (t) => {
  const open = await startApp(t)
  const answer = await open.inject('/monitor/data')
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { cache: { hits: 0, staleReads: 0 }, up: { database: true } })
  const closed = await startApp(t, { READ_ROLE: 'user' })
  t.equal((await closed.inject('/monitor')).statusCode, 200)
  t.equal((await closed.inject('/monitor/data')).statusCode, 401)
})

t.test('in a browser', { skip: noBrowser }, async (t) => {
  const browser = await startBrowser(t)

  t.test('the page shows requests as they come, and loads nothing from elsewhere', async (t) => {
    const server = await startServer(t)
    await databaseReady(server.url)
    const { page, complaints } = await openPage(t, browser, server.url, '/monitor')
    await until('traffic is shown', async () => {
      await Promise.all(Array.from({ length: 20 }, () => fetch(`${server.url}/v1/animes?limit=20`)))
      const ratio = await page.locator('#tiles').textContent()
      return /Hit ratio100%/.test(ratio ?? '') && (await tile(page, 'Requests')) !== '0/s'
    })
    t.equal(await page.locator('.chart canvas').count(), 8)
    t.match(await page.locator('#state').textContent(), /^up for/)
    t.equal(await tile(page, 'Availability'), '100%')
    t.equal(await tile(page, 'Stale reads'), '0')
    await server.stop()
    await until('its end is shown', async () =>
      (await page.locator('#state').textContent())?.startsWith('no answer'),
    )
    t.same(
      complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED')),
      [],
    )
  })

  t.test('it fits a phone, dark and light', async (t) => {
    const server = await startServer(t)
    for (const colorScheme of ['dark', 'light'] as const) {
      const viewport = { width: 390, height: 844 }
      const { page } = await openPage(t, browser, server.url, '/monitor', { viewport, colorScheme })
      await page.locator('.chart canvas').first().waitFor()
      const width = await page.evaluate('document.documentElement.scrollWidth')
      t.ok(Number(width) <= 390, `${colorScheme}: nothing to scroll sideways`)
      const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor')
      t.equal(ground, colorScheme === 'dark' ? 'rgb(20, 22, 26)' : 'rgb(245, 246, 248)')
      t.strictSame(await violations(page), [], `${colorScheme}: everybody can use it`)
    }
  })

  t.test('an admin signs in on the page; a wrong password is told', async (t) => {
    const server = await startServer(t, { READ_ROLE: 'user', ...admin })
    await databaseReady(server.url)
    const { page, complaints } = await openPage(t, browser, server.url, '/monitor')
    const form = page.locator('#sign-in')
    await form.waitFor()
    await form.getByLabel('E-mail').fill(admin.ADMIN_EMAIL)
    await form.getByLabel('Password').fill('wrong')
    await form.getByRole('button').click()
    await until('the refusal', async () => (await page.locator('#refusal').textContent()) !== '')
    await form.getByLabel('Password').fill(admin.ADMIN_PASSWORD)
    await form.getByRole('button').click()
    await page.locator('.chart canvas').first().waitFor()
    t.ok(await form.isHidden())
    t.same(complaints, [])
  })
})
