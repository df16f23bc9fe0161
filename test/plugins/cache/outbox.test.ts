import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { generateCsv } from '../../../db/import/generate.ts'
import { type Change, normalChange, parseChange } from '../../../plugins/cache/tags.ts'
import { temporaryFolder } from '../../support/app.ts'
import { freePort } from '../../support/free-port.ts'
import { run } from '../../support/process.ts'

t.test('an outbox row written by hand is sorted, or counts as everything', async (t) => {
  const rows: [string, Change][] = [
    ['[["type:TV","genre:Action","all"]]', [['all', 'genre:Action', 'type:TV']]],
    ['[["genre:Slice of Life"]]', '*'],
    ['[["genre:\\"quoted\\""]]', '*'],
    ['[[["x"]]]', '*'],
    ['[]', '*'],
    ['null', '*'],
    ['[["genre:\\ud800"]]', '*'],
    ['{"key":"@clock"}', '*'],
    ['{"key":"animes:all"}', { key: 'animes:all' }],
    ['{', '*'],
  ]
  for (const [text, change] of rows) t.strictSame(parseChange(text), change, text)
})

t.test('an import that cannot reach Redis ends well, and says so', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'one.csv')
  writeFileSync(file, [...generateCsv(1)].join(''))
  const env = {
    DATABASE_URL: `sqlite:${join(folder, 'anime.db')}`,
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
  }
  const { exited, stderr } = run(t, 'bin/import.ts', [file], env)
  t.equal((await exited).code, 0)
  t.match(stderr(), 'redis cannot be reached')
})

t.test('a write cannot put into the journal what another instance could not read', async (t) => {
  const refused: Change[] = [
    [['all', 'two words']],
    [['a\u0001b']],
    { key: 'two words' },
    { key: '@clock' },
    { key: '' },
  ]
  for (const change of refused) {
    t.throws(() => normalChange(change), TypeError, JSON.stringify(change))
    t.equal(parseChange(JSON.stringify(change)), '*', 'and by hand it counts as everything')
  }
  t.strictSame(normalChange({ key: 'animes:all' }), { key: 'animes:all' })
})
