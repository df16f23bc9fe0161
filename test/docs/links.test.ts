import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))
const pages = ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)]
const texts = new Map<string, string>()
for (const page of pages) texts.set(page, await readFile(join(root, page), 'utf8'))

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (text: string) =>
  [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )

for (const [page, text] of texts) {
  t.test(`the links of ${page} lead to files and headings that are there`, async (t) => {
    for (const [, path = '', anchor] of text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      const target = path === '' ? page : relative(root, join(root, dirname(page), path))
      t.ok(existsSync(join(root, target)), `${path} is there`)
      if (anchor !== undefined)
        t.ok(anchorsOf(texts.get(target) ?? '').includes(anchor), `${target}#${anchor}`)
    }
  })
}

t.test('README lists every page', async (t) => {
  for (const name of docs) t.match(texts.get('README.md'), `](docs/${name})`, name)
})
