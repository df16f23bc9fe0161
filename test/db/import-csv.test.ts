import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { csvParser } from '../../db/import/csv.ts'
import { csvBatches } from '../../db/import/csv-batches.ts'
import type { CsvFormat } from '../../db/import/format.ts'
import type { BatchRow } from '../../db/import/mapping.ts'
import { batches, type Reject } from '../../db/import/rows.ts'

const format: CsvFormat = { kind: 'csv', delimiter: ',', lineEnds: ['\r\n', '\n'] }
const header = ['animeID', 'title', 'other', 'genres']
const found = {
  ...{ header, positions: { source_id: [0], title: [1], genres: [3] } },
  ...{ natural: [], rules: {}, notes: [] },
}
const any = ['1', 'a', 'é', '雪', ' ', ',', ',', ',', '"', '""', '\r\n', '\r\n', '\n', '\r']
const good = [
  '1,a,,[]\r\n',
  '2,"b, ""c""",x,"[\'A\', \'é\']"\n',
  '3,"d\r\ne\nf",,"g\rh"\r\n',
  '\r\n',
]

/** Numbers that look random, the same in each run. */
function numbers(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}

/** The rows and rejects of a text in their order, how many rows were read, and how it ends. */
async function read(parser: 'csv-parse' | 'both', bytes: Buffer, size: number) {
  const events: unknown[] = []
  let rows = 0
  const handlers = {
    clean: ([id, title, , genres]: readonly string[], line: number) => {
      events.push({ line, id, title, genres })
      return {} as BatchRow
    },
    size: 2,
    onRow: () => {
      rows += 1
    },
    reject: (rejected: Reject) => void events.push(rejected),
  }
  const stream =
    parser === 'both'
      ? csvBatches(format, found, handlers).stream
      : csvParser(format, handlers, batches(handlers).take)
  const count = Math.ceil(bytes.length / size)
  const chunks = Array.from({ length: count }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
  const end = await pipeline(Readable.from(chunks), stream.resume()).then(
    () => 'read',
    (error: Error) => error.message,
  )
  return { events, rows, end }
}

t.test('a CSV reads as csv-parse alone reads it, however broken and however cut', async (t) => {
  const random = numbers(20_238)
  for (let round = 0; round < 1500; round += 1) {
    const pick = (from: string[]) => from[random(from.length)]!
    let text = `${random(5) === 0 ? '\uFEFF' : ''}${header}\r\n`
    for (let more = random(8); more > 0; more -= 1) text += pick(good)
    if (random(3) > 0) for (let more = random(12); more > 0; more -= 1) text += pick(any)
    for (let more = random(4); more > 0; more -= 1) text += pick(good)
    // A line that ends with the file and a lone CR is one.
    if (text.endsWith('\r')) text += '\n'
    const bytes = Buffer.from(random(3) === 0 ? text.trimEnd() : text)
    const expected = await read('csv-parse', bytes, bytes.length)
    const size = 1 + random(round % 2 === 0 ? 10 : bytes.length)
    const actual = await read('both', bytes, size)
    if (!t.strictSame(actual, expected, JSON.stringify(text), { diagnostic: true })) break
  }
})

t.test('records too long for the quick reader are read all the same', async (t) => {
  const long = `4,"${'x'.repeat(100_000)}\n",,\r\n`
  const bytes = Buffer.from(`${header}\r\n${good.join('')}${long}${good.join('')}`)
  for (const size of [1000, 65_536, bytes.length]) {
    t.strictSame(await read('both', bytes, size), await read('csv-parse', bytes, bytes.length))
  }
  const endless = Buffer.from(`${header}\r\n${good.join('')}5,"${'x\n'.repeat(600_000)}`)
  t.strictSame(
    await read('both', endless, 65_536),
    await read('csv-parse', endless, endless.length),
  )
})
