import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, chromium, type Page } from 'playwright-core'
import { until } from '../test/support/until.ts'
import { inTemporaryFolder, root, start } from './processes.ts'

/* Takes the README's pictures of the real pages at work, with a Chromium of this machine: `npm run pictures`. */

const folder = join(root, 'docs/pictures')
const admin = { ADMIN_EMAIL: 'admin@example.org', ADMIN_PASSWORD: 'correct-horse-battery' }
const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
if (executablePath === undefined) throw new Error('pictures: there is no Chromium here')

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
await mkdir(folder, { recursive: true })
try {
  await inTemporaryFolder(async (place) => {
    const path = '/health/ready'
    const { base, stop } = await start('server.ts', [], { folder: place, path, env: admin })
    try {
      await explorer(browser, base)
      await monitor(browser, base)
    } finally {
      await stop()
    }
    const report = join(place, 'load-report.html')
    await promisify(execFile)(
      process.execPath,
      [join(root, 'bench/load/index.ts'), '--seconds', '4', '--report', report],
      { cwd: place },
    )
    const page = await open(browser, pathToFileURL(report).href, { width: 760, height: 900 })
    await shoot(page, 'load-report')
  })
} finally {
  await browser.close()
}

function open(browser: Browser, url: string, viewport: { width: number; height: number }) {
  return browser
    .newPage({ viewport, colorScheme: 'light' })
    .then((page) => page.goto(url).then(() => page))
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(folder, `${name}.png`) })
  console.log(`docs/pictures/${name}.png`)
}

/** An admin's write, and which of the keys held it took. */
async function explorer(browser: Browser, base: string): Promise<void> {
  const page = await open(browser, base, { width: 1280, height: 860 })
  await page.locator('#sign-in-open').click()
  await page.getByLabel('E-mail').fill(admin.ADMIN_EMAIL)
  await page.getByLabel('Password').fill(admin.ADMIN_PASSWORD)
  await page.keyboard.press('Enter')
  await page.locator('#keys').waitFor()
  for (const query of [
    'type=MOVIE&limit=20',
    'type=TV&sort=-score&limit=20',
    'genre=Drama&limit=20',
  ]) {
    await (await fetch(`${base}/v1/animes?${query}`)).arrayBuffer()
  }
  await page.locator('#again').click()
  await page.locator('#keys-refresh').click()
  await page.locator('#add').click()
  await page.locator('#title-form').getByLabel('Title', { exact: true }).fill('Frieren')
  await page.locator('#title-type').selectOption('TV')
  await page.locator('#save').click()
  await until('the keys are told', async () =>
    /\d/.test((await page.locator('#keys-change').textContent()) ?? ''),
  )
  await page
    .locator('#title-close')
    .click({ timeout: 2000 })
    .catch(() => undefined)
  await page.evaluate('scrollTo(0, 0)')
  await shoot(page, 'explorer')
}

/** A minute of readers, as the monitor draws it. */
async function monitor(browser: Browser, base: string): Promise<void> {
  const page = await open(browser, `${base}/monitor`, { width: 1280, height: 860 })
  const ended = performance.now() + 25_000
  const reader = async (first: number) => {
    for (let n = first; performance.now() < ended; n++) {
      const page = 20 + (n % 7 === 0 ? n % 60 : 0)
      await (await fetch(`${base}/v1/animes?limit=${page}&sort=-score`)).arrayBuffer()
    }
  }
  await Promise.all([1, 2, 3, 4].map(reader))
  await shoot(page, 'monitor')
}
