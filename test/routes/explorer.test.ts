import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startApp } from '../support/app.ts'
import { noBrowser, openPage, startBrowser, violations } from '../support/browser.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' }
const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

t.test('/ is a page for a browser, and links for anybody else', async (t) => {
  const app = await startApp(t)
  const ask = (accept?: string) =>
    app.inject({ url: '/', headers: accept === undefined ? {} : { accept } })
  const asked = ['text/*', 'application/json;q=0.5, TEXT/HTML;q=0.6', 'text/html, application/json']
  for (const accept of [html, 'text/html', ...asked]) {
    const answer = await ask(accept)
    t.match(answer.headers, { 'content-type': 'text/html; charset=utf-8', vary: 'accept' }, accept)
  }
  const others = ['*/*', 'application/json', 'text/html;q=0, */*', 'text/html;q=0.1, application/*']
  for (const accept of [undefined, '', ...others, 'image/png', 'application/json, text/html']) {
    const answer = await ask(accept)
    t.equal(answer.statusCode, 200)
    t.match(answer.headers, { 'content-type': /^application\/json/, vary: 'accept' }, `${accept}`)
  }
  const links = (await ask()).json()
  t.strictSame(Object.keys(links), ['api', 'docs', 'openapi', 'monitor', 'health'])
  for (const [name, url] of Object.entries(links)) {
    t.equal(
      (await app.inject({ url: String(url), headers: { accept: '*/*' } })).statusCode,
      200,
      name,
    )
  }
})

t.test('with CORS, / varies on the origin too', async (t) => {
  const app = await startApp(t, { CORS_ORIGIN: 'https://one.example, https://two.example' })
  for (const accept of [html, 'application/json']) {
    const { headers } = await app.inject({ url: '/', headers: { accept } })
    t.strictSame(String(headers.vary).toLowerCase().split(/, */).sort(), ['accept', 'origin'])
  }
})

t.test(
  'a page has the security headers of a document, any other answer those of an API',
  async (t) => {
    const policy = 'content-security-policy'
    for (const TRUST_PROXY of ['', '1']) {
      const app = await startApp(t, TRUST_PROXY === '' ? {} : { TRUST_PROXY })
      const page = await app.inject({ url: '/', headers: { accept: html } })
      t.match(page.headers[policy], /default-src 'self';.*script-src 'self';script-src-attr 'none'/)
      t.equal(page.headers['referrer-policy'], 'no-referrer')
      t.notMatch(page.body, /<script>|<style|style=|https?:/)
      const others = [
        '/health/live',
        '/v1/animes?limit=1',
        '/v1/animes?limit=1',
        '/no',
        '/%zz',
        '/v1/me',
      ]
      for (const url of others) {
        const { headers } = await app.inject(url)
        t.equal(headers[policy], "default-src 'none';frame-ancestors 'none'", url)
        t.equal(headers['x-content-type-options'], 'nosniff', url)
        t.notOk('referrer-policy' in headers, url)
      }
      for (const url of ['/', '/v1/animes?limit=1', '/no']) {
        const { headers } = await app.inject({ url, headers: { accept: html } })
        const secured = 'strict-transport-security' in headers
        t.equal(secured, TRUST_PROXY !== '', `${url}: HSTS behind TLS, and nowhere else`)
      }
    }
  },
)

t.test('there is an icon where browsers look for one', async (t) => {
  const app = await startApp(t)
  const icon = await app.inject('/favicon.ico')
  t.equal(icon.headers['content-type'], 'image/x-icon')
  t.strictSame([...icon.rawPayload.subarray(0, 6)], [0, 0, 1, 0, 1, 0])
  t.equal((await app.inject('/icon.svg')).headers['content-type'], 'image/svg+xml')
  for (const url of ['/explorer/../app.ts', '/explorer/index.html', '/shared/none.js']) {
    t.equal((await app.inject(url)).statusCode, 404, url)
  }
})

async function listen(t: Test, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const app: FastifyInstance = await startApp(t, { ...admin, ...env }, { titles: 500 })
  await app.firstAdmin
  return app.listen({ port: 0, host: '127.0.0.1' })
}

const badge = (page: Page) => page.locator('#receipt .badge').textContent()
const shows = (page: Page, label: string) =>
  until(`the page shows ${label}`, async () => (await badge(page)) === label)
const total = (page: Page) => page.locator('#total').textContent()
const typeFilter = (page: Page) => page.locator('#search').getByLabel('Type')
const titles = (page: Page) => page.locator('#list .title').allTextContents()
const marked = async (page: Page, mark: string) =>
  (await page.locator(`#keys .${mark} code`).allTextContents()).sort()

/** What the page asks for on its way to the list of one type, as far as a title of that type is in it. */
const wrongWith = (type: string) => [
  'animes:limit=20',
  `animes:limit=20&type=${type}`,
  'genres:all',
  'totals:all',
  `totals:type=${type}`,
  'types:all',
]

async function signIn(page: Page, password = admin.ADMIN_PASSWORD) {
  const form = page.locator('#sign-in form')
  await form.waitFor()
  await form.getByLabel('E-mail').fill(admin.ADMIN_EMAIL)
  await form.getByLabel('Password').fill(password)
  await form.getByRole('button', { name: 'Sign in' }).click()
}

t.test('in a browser', { skip: noBrowser }, async (t) => {
  const browser = await startBrowser(t)
  const explore = (t: Test, url: string, options = {}) => openPage(t, browser, url, '/', options)

  t.test('one searches, filters, sorts and turns pages', async (t) => {
    const url = await listen(t)
    const { page, complaints } = await explore(t, url)
    await until('all titles', async () => (await total(page)) === '500 titles')
    const first = await titles(page)
    t.equal(first.length, 20)
    await page.getByRole('button', { name: 'Next' }).click()
    await until('another page', async () => (await titles(page))[0] !== first[0])
    t.equal(await page.locator('#page').textContent(), '21 to 40')
    await page.getByRole('button', { name: 'Previous' }).click()
    await until('the first page', async () => (await titles(page))[0] === first[0])

    await typeFilter(page).selectOption('MOVIE')
    await page.getByLabel('Sort').selectOption('-score')
    await page.getByLabel('Least score').fill('5')
    await page.getByLabel('Least score').press('Enter')
    const query = 'type=MOVIE&minScore=5&sort=-score'
    const wanted = (await (await fetch(`${url}/v1/animes?${query}&limit=20`)).json()) as {
      data: { title: string }[]
    }
    const expectedTitles = wanted.data.map(({ title }) => title)
    await until('what the API says', async () => `${await titles(page)}` === `${expectedTitles}`)
    t.equal(new URL(page.url()).search, `?${query}`, 'the address says what is shown')
    await page.reload()
    await until('the same', async () => `${await titles(page)}` === `${expectedTitles}`)
    t.strictSame(complaints, [])
  })

  t.test('suggestions come while one types, and are chosen by keyboard', async (t) => {
    const { page, complaints } = await explore(t, await listen(t))
    const field = page.getByRole('combobox', { name: 'Title' })
    await field.pressSequentially('or')
    const options = page.locator('#suggestions').getByRole('option')
    await options.first().waitFor()
    t.equal(await field.getAttribute('aria-expanded'), 'true')
    t.strictSame(await violations(page), [])
    await field.press('Escape')
    t.ok(await page.locator('#suggestions').isHidden())
    await field.pressSequentially('c')
    await options.first().waitFor()
    await field.press('ArrowDown')
    const chosen = await page.locator('[aria-selected=true] span').textContent()
    t.equal(
      await field.getAttribute('aria-activedescendant'),
      await page.locator('[aria-selected=true]').getAttribute('id'),
    )
    await field.press('Enter')
    t.equal(await field.inputValue(), chosen)
    await until('the title', async () => (await titles(page)).includes(chosen!))
    t.strictSame(complaints, [])
  })

  t.test('a miss, then a hit, then a 304, each with its time, status and size', async (t) => {
    const { page, complaints } = await explore(t, await listen(t))
    await shows(page, 'Miss, stored')
    await page.getByRole('button', { name: 'Ask again' }).click()
    await shows(page, 'Hit')
    const receipt = page.locator('#receipt')
    t.match(await receipt.textContent(), /Time[\d.,]+ msStatus200On the wire.+zstd|gzip|br/)
    t.match(await receipt.textContent(), 'The database was not asked.')
    t.match(await receipt.textContent(), 'Key animes:limit=20')
    await page.getByRole('button', { name: 'Ask with its ETag' }).click()
    await shows(page, 'Not modified')
    t.match(await receipt.textContent(), 'Status304On the wireno body')
    t.equal((await titles(page)).length, 20, 'the titles stay')
    const asked = page.locator('#history li', { hasText: '/v1/animes' })
    const history = await asked.locator('.badge').allTextContents()
    t.strictSame(history, ['Not modified', 'Hit', 'Miss, stored'])
    t.strictSame(complaints, [])
  })

  t.test('whatever Cache-Status says is said in words', async (t) => {
    const { page } = await explore(t, await listen(t))
    const label = async (field: string | null, status = 200) => {
      const code = `import('/explorer/cache-status.js').then(({ parse, inWords }) => {
        const { label, words } = inWords({ status: ${status}, method: 'GET', age: 3,
          cache: parse(${JSON.stringify(field)}) })
        return label + ': ' + words
      })`
      return page.evaluate<string>(code)
    }
    const key = 'key="animes:q=a\\"; b"; ttl=9'
    t.match(await label(`anime-api; hit; ${key}`), /^Hit: From the cache, made 3 s ago/)
    t.match(await label(`anime-api; fwd=miss; stored; ${key}`), /^Miss, stored: /)
    t.match(await label(`anime-api; fwd=miss; collapsed; ${key}`), /^Collapsed: /)
    t.match(await label(`anime-api; fwd=miss; detail=stream`), /not stored: .*too large to keep/)
    t.match(
      await label(`anime-api; fwd=bypass; detail=redis-unavailable; ${key}`),
      /^Bypass: .*Redis is away/,
    )
    t.match(await label(`anime-api; hit; ${key}`, 304), /^Not modified: The cache knew/)
    t.match(await label(null), /^Not cached/)
  })

  t.test('an admin adds a title, and sees exactly the wrong keys go', async (t) => {
    const url = await listen(t)
    const { page, complaints } = await explore(t, url)
    await shows(page, 'Miss, stored')
    t.ok(await page.locator('#add').isHidden(), 'nobody adds who is not signed in')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await signIn(page, 'wrong')
    await until('the refusal', async () =>
      (await page.locator('#sign-in .refusal').textContent())?.startsWith('That did not work'),
    )
    await signIn(page)
    await page.locator('#keys li').first().waitFor()
    for (const type of ['TV', 'MOVIE']) {
      await typeFilter(page).selectOption(type)
      await until(type, async () => (await page.locator('.key').textContent())?.endsWith(type))
    }
    await page.getByRole('button', { name: 'Add a title' }).click()
    const form = page.locator('#title-form')
    await form.getByLabel('Title').fill('Frieren')
    await form.getByLabel('Type').selectOption('TV')
    await form.getByLabel('Year').fill('2023')
    await form.getByLabel('Score').fill('9.3')
    await form.getByLabel('Genres').fill('Adventure, Drama')
    t.strictSame(await violations(page), [], 'in the dialog')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('#keys .went').first().waitFor()
    t.strictSame(await marked(page, 'went'), wrongWith('TV'))
    const right = ['animes:limit=20&type=MOVIE', 'totals:type=MOVIE']
    t.strictSame(await marked(page, 'stayed'), right)
    const said = page.locator('#keys-change')
    t.match(await said.textContent(), /^Added “Frieren” as 501\. 6 keys went: .* 2 keys stayed\.$/)
    t.equal(await said.getAttribute('role'), 'status')
    t.ok(await page.locator('#outdated').isVisible())
    t.strictSame(await violations(page), [], 'after the write')

    await page.getByRole('button', { name: 'Ask again' }).click()
    await shows(page, 'Hit')
    await typeFilter(page).selectOption('TV')
    await shows(page, 'Miss, stored')
    await page.getByRole('combobox', { name: 'Title' }).fill('frieren')
    await page.getByRole('button', { name: 'Search' }).click()
    await until('it', async () => `${await titles(page)}` === 'Frieren')
    t.strictSame(complaints, [])
  })

  t.test('the same over Redis, where memory does not know at once', async (t) => {
    const redis = await startRedis(t)
    const { page, complaints } = await explore(t, await listen(t, { REDIS_URL: redis.url }))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await signIn(page)
    await page.locator('#add').waitFor()
    await until('the cache is in use', async () => {
      await page.getByRole('button', { name: 'Ask again' }).click()
      return (await badge(page)) === 'Hit'
    })
    await typeFilter(page).selectOption('MOVIE')
    await until('movies', async () => (await page.locator('.key').textContent())?.endsWith('MOVIE'))
    await page.getByRole('button', { name: 'Add a title' }).click()
    const form = page.locator('#title-form')
    await form.getByLabel('Title').fill('Frieren')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('#keys .went').first().waitFor()
    t.ok((await marked(page, 'went')).includes('animes:limit=20'))
    const right = ['animes:limit=20&type=MOVIE', 'totals:type=MOVIE']
    t.strictSame(await marked(page, 'stayed'), right)
    t.strictSame(complaints, [])
  })

  t.test('an admin changes a title as it was seen', async (t) => {
    const url = await listen(t)
    const { page, complaints } = await explore(t, url)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await signIn(page)
    await page.locator('#add').waitFor()
    await typeFilter(page).selectOption('MOVIE')
    await until('movies', async () => (await page.locator('.key').textContent())?.endsWith('MOVIE'))
    await page.locator('#list .title').first().click()
    const form = page.locator('#title-form')
    await form.getByLabel('Episodes').fill('77')
    await form.getByLabel('Score').fill('')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('#keys .went').first().waitFor()
    const went = await marked(page, 'went')
    t.match(went.shift(), /^anime:\d+$/)
    t.strictSame(went, wrongWith('MOVIE'))
    await page.getByRole('button', { name: 'Ask again' }).click()
    await until('it', async () =>
      (await page.locator('#list li').first().textContent())?.includes('77 episodes'),
    )
    t.match(await page.locator('#list li').first().textContent(), 'no score')
    t.strictSame(complaints, [])
  })

  t.test('a genre with a comma stays one, unless the genres are changed', async (t) => {
    const url = await listen(t)
    const send = (path: string, method: string, body: object, token = '') =>
      fetch(`${url}/v1/${path}`, {
        method,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      })
    const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = admin
    const signedIn = await send('signin', 'POST', { email, password })
    const { accessToken } = (await signedIn.json()) as { accessToken: string }
    const genres = ['Drama', 'Girls, girls, girls']
    await send('animes/1', 'PATCH', { genres }, accessToken)
    const { page, complaints } = await explore(t, url)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await signIn(page)
    await page.locator('#add').waitFor()
    await page.locator('#list .title[data-id="1"]').click()
    await page.locator('#title-form').getByLabel('Episodes').fill('77')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('#keys .went').first().waitFor()
    const title = (await (await fetch(`${url}/v1/animes/1`)).json()) as object
    t.match(title, { episodes: 77, genres })
    t.strictSame(complaints, [])
  })

  t.test('it asks who one is where the catalogue is not public', async (t) => {
    const { page, complaints } = await explore(t, await listen(t, { READ_ROLE: 'user' }))
    await signIn(page)
    await until('the titles', async () => (await titles(page)).length === 20)
    t.equal(await page.locator('#problem').textContent(), '')
    t.match(await page.locator('#account').textContent(), `${admin.ADMIN_EMAIL} (admin)`)
    await page.getByRole('link', { name: 'Monitor' }).click()
    await page.locator('#dashboard').waitFor()
    await page.getByRole('link', { name: 'Explorer' }).click()
    await until('still signed in', async () => (await titles(page)).length === 20)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.locator('#sign-in form').waitFor()
    t.strictSame(await titles(page), [])
    t.strictSame(complaints, [])
  })

  t.test('everybody can use it: in the light, in the dark, on a phone', async (t) => {
    const url = await listen(t)
    const phone = { viewport: { width: 390, height: 844 } }
    const wide = { viewport: { width: 1280, height: 900 } }
    for (const size of [wide, phone]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, complaints } = await explore(t, url, { ...size, colorScheme })
        await page.locator('#genres label').first().waitFor({ state: 'attached' })
        await until('titles', async () => (await titles(page)).length === 20)
        await page.locator('#genre-filter summary').click()
        const what = `${size.viewport.width} px, ${colorScheme}`
        t.strictSame(await violations(page), [], what)
        const width = await page.evaluate('document.documentElement.scrollWidth')
        t.ok(Number(width) <= size.viewport.width, `${what}: nothing to scroll sideways`)
        await page.locator('#list .title').first().click()
        t.strictSame(await violations(page), [], `${what}: a title`)
        await page.keyboard.press('Escape')
        t.ok(await page.locator('#title-dialog').isHidden())
        t.strictSame(complaints, [])
      }
    }
  })
})
