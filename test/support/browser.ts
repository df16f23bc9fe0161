import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Teardown } from './app.ts'

const program = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
)

/** Why tests in a browser are left out; false where there is one. */
export const noBrowser =
  program === undefined && 'no Chromium here: install it or say in CHROMIUM where it is'

/** Chromium without a window. Closed when the test ends. */
export async function startBrowser(t: Teardown): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: program!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-dev-shm-usage',
    ],
  })
  t.teardown(() => browser.close())
  return browser
}

/**
 * A page that may load nothing but from `url`; what it tries, and complains of, is kept. Closed when the
 * test ends, before the service: Chromium opens connections in advance, which a service waits for.
 */
export async function openPage(
  t: Teardown,
  browser: Browser,
  url: string,
  path: string,
  options: BrowserContextOptions = {},
) {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 401/.test(message.text())) {
      complaints.push(message.text())
    }
  })
  page.on('request', (request) => {
    const there = request.url()
    if (!there.startsWith(`${url}/`) && !there.startsWith('data:')) complaints.push(there)
  })
  await page.goto(url + path)
  return { page, complaints }
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  id: string
  nodes: { html: string; failureSummary: string }[]
}

/** What keeps somebody from using the page as it stands now, as axe finds it. */
export async function violations(page: Page): Promise<string[]> {
  // What is loading is dimmed, and some of it fades.
  await page.waitForFunction('document.querySelector("[aria-busy=true]") === null')
  await page.evaluate(
    'Promise.allSettled(document.getAnimations().map(({ finished }) => finished))',
  )
  // Not a script of the page, which its Content-Security-Policy would refuse.
  await page.evaluate(axe)
  const found: Violation[] = await page.evaluate('axe.run().then(({ violations }) => violations)')
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  )
}
