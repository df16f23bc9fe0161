import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

const pages = globSync(['*.md', 'docs/*.md', 'plugins/**/*.md'], { cwd: root })
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')

/** The fragments that GitHub gives to the headings of a page. */
const fragmentsOf = (page: string) =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  )

t.test('the links of the pages lead somewhere', async (t) => {
  for (const page of pages) {
    for (const [, link] of textOf(page).matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
      const [path, fragment] = link!.split('#')
      const target = path === '' ? page : join(dirname(page), path!)
      t.ok(existsSync(join(root, target)), `${page}: ${link}`)
      if (fragment !== undefined) t.ok(fragmentsOf(target).includes(fragment), `${page}: ${link}`)
    }
  }
})
