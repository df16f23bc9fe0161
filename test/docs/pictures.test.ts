import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

t.test('README’s pictures are there, small, and say what they show', async (t) => {
  const page = await readFile(join(root, 'README.md'), 'utf8')
  const pictures = [...page.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)]
  t.equal(pictures.length, 3)
  for (const [, text, path] of pictures) {
    t.ok(text!.length > 20, path!)
    t.ok((await stat(join(root, path!))).size < 250_000, path!)
  }
})
