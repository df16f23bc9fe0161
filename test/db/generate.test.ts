import { createHash } from 'node:crypto'
import t from 'tap'
import { catalogueSize, csvHeader, generateCsv } from '../../db/import/generate.ts'

const digest = (chunks: Iterable<string>) => {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

t.test('the built-in catalogue is the same bytes on every machine', async (t) => {
  t.equal(digest(generateCsv()), 'cbf3b4fe14d65e542e076b22f9f8d37c4c73246aefba28fe770f45ed426342b0')
  t.equal(digest(generateCsv(catalogueSize)), digest(generateCsv()))
})

t.test('it has 20,238 titles under the header of 12 columns', async (t) => {
  const lines = [...generateCsv()].join('').split('\r\n')
  t.equal(lines.length, 1 + catalogueSize + 1)
  t.equal(lines[0], csvHeader.join())
  t.equal(lines.at(-1), '', 'ends with a line end')
})

t.test('a longer catalogue begins with the shorter one', async (t) => {
  t.ok([...generateCsv(500)].join('').startsWith([...generateCsv(100)].join('')))
})

t.test('it comes in chunks, so that no length of it needs memory', async (t) => {
  for (const chunk of generateCsv(5000)) if (chunk.length > 70_000) t.fail('a chunk is too long')
  t.ok([...generateCsv(5000)].length > 5)
})
