import { Transform, type TransformCallback } from 'node:stream'
import { ImportError } from './errors.ts'
import type { FileColumns } from './file-columns.ts'
import type { BatchRow } from './mapping.ts'
import { type BatchParser, batches, maxRecordSize, type RowHandlers } from './rows.ts'

type Kind = 'json' | 'ndjson'

/** The text of one object, and the line on which it ends. */
type OnObject = (text: string, line: number) => void

interface Splitter {
  write: (text: string) => void
  /** @throws ImportError when the text cannot end here */
  end: () => void
}

/**
 * A parser of objects that gives clean rows in batches: a line each (NDJSON), or the items of the first
 * list of objects that there is. JSON.parse reads them; this only finds where each ends.
 */
export function jsonParser(
  kind: Kind,
  header: readonly string[],
  { positions, exportedAt }: FileColumns,
  handlers: RowHandlers,
): BatchParser {
  const { take, rest } = batches(handlers)
  const needed = Object.values(positions).flat()
  const paths = header.map((name) => name.split('.'))
  if (exportedAt !== undefined) needed.push(exportedAt)
  let full: BatchRow[][] = []
  const onObject: OnObject = (text, line) => {
    const object = objectIn(text)
    if (object === undefined) {
      handlers.onRow()
      handlers.reject({ line, column: '', reason: 'not a JSON object', value: text })
      return
    }
    const record: string[] = []
    for (const at of needed) record[at] = cellIn(object, header[at]!, paths[at]!)
    const batch = take(record, line)
    if (batch !== null) full.push(batch)
  }
  const splitter = splitters[kind](onObject)
  const work = (done: TransformCallback, stream: Transform, step: () => void) => {
    try {
      step()
      for (const batch of full) stream.push(batch)
      full = []
      done()
    } catch (error) {
      done(error as Error)
    }
  }
  const stream = new Transform({
    readableObjectMode: true,
    readableHighWaterMark: 2,
    decodeStrings: false,
    transform(text: string, _encoding, done) {
      work(done, this, () => splitter.write(text))
    },
    flush(done) {
      work(done, this, () => splitter.end())
    },
  })
  return { stream, rest }
}

/** The names of the first objects, and their values as cells. */
export function sampleJson(
  head: string,
  whole: boolean,
  kind: Kind,
): { header: string[]; sample: string[][] } {
  const objects: Record<string, unknown>[] = []
  const splitter = splitters[kind]((text) => {
    const object = objectIn(text)
    if (object !== undefined) objects.push(object)
  })
  splitter.write(head)
  if (whole) splitter.end()
  const header = [...new Set(objects.flatMap((object) => namesIn(object)))]
  const paths = header.map((name) => name.split('.'))
  const sample = objects.map((object) => header.map((name, at) => cellIn(object, name, paths[at]!)))
  return { header, sample }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The names of an object's values; of an object in it, with its name and a point before. */
function namesIn(object: Record<string, unknown>, before = '', depth = 0): string[] {
  return Object.entries(object).flatMap(([name, value]) =>
    isObject(value) && depth < 3 ? namesIn(value, `${before}${name}.`, depth + 1) : [before + name],
  )
}

/** A value as the cell of a CSV would have it. */
function cellIn(object: Record<string, unknown>, name: string, path: string[]): string {
  let value: unknown = object[name]
  if (value === undefined && path.length > 1) {
    value = object
    for (const step of path) value = isObject(value) ? value[step] : undefined
  }
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const tooLong = (line: number) =>
  new ImportError(`from line ${line} on: an object is longer than 1 MiB`)

const splitters: Record<Kind, (onObject: OnObject) => Splitter> = { json: listItems, ndjson: lines }

function lines(onObject: OnObject): Splitter {
  let rest = ''
  let line = 0
  const take = (text: string) => {
    line += 1
    if (text.trim() !== '') onObject(text, line)
  }
  return {
    write(text) {
      const parts = (rest + text).split('\n')
      rest = parts.pop()!
      for (const part of parts) take(part)
      if (rest.length > maxRecordSize) throw tooLong(line + 1)
    },
    end: () => take(rest),
  }
}

/** The objects of the first list that has any, however deep it stands; what else it has is an error. */
function listItems(onObject: OnObject): Splitter {
  let text = ''
  let at = 0
  let line = 1
  let start = -1
  let depth = 0
  let quoted = false
  let state: 'before' | 'opened' | 'inside' | 'after' = 'before'
  /** The brackets that are open around the list. */
  const open: string[] = []
  const fail = (reason: string) => new ImportError(`line ${line}: ${reason}`)
  const outside = (character: string) => {
    if (character === '{' && (state === 'opened' || state === 'inside')) {
      state = 'inside'
      start = at
      depth = 1
    } else if (state === 'inside') {
      if (character === ']') {
        open.pop()
        state = 'after'
      } else if (character !== ',') throw fail('an item of the list is no object')
    } else around(character)
  }
  const around = (character: string) => {
    if (state === 'after') {
      if (open.length === 0) throw fail("something follows the JSON's end")
      if (character === ',' && open.at(-1) === '[') {
        throw fail('only one list of a list of lists can be taken')
      }
    } else if (character === '[') state = 'opened'
    else if (character === '{' && open.at(-1) === '[') {
      throw fail('an item of the list is no object')
    } else state = 'before'
    if (character === '[' || character === '{') open.push(character)
    else if (character === ']' || character === '}') open.pop()
  }
  const inside = (character: string) => {
    if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') depth -= 1
    if (depth > 0) return
    onObject(text.slice(start, at + 1), line)
    start = -1
  }
  const step = (character: string) => {
    if (character === '\n') line += 1
    if (quoted) {
      if (character === '\\') at += 1
      else if (character === '"') quoted = false
      return
    }
    if (character === '"') quoted = true
    if (start !== -1) inside(character)
    else if (character > ' ' && character !== '\uFEFF') outside(character)
  }
  return {
    write(more) {
      text += more
      for (; at < text.length; at += 1) step(text[at]!)
      const kept = start === -1 ? text.length : start
      // An escape may have led past the end.
      text = text.slice(kept)
      at -= kept
      if (start !== -1) start = 0
      if (text.length > maxRecordSize) throw tooLong(line)
    },
    end() {
      if (state === 'before' || state === 'opened') {
        throw new ImportError('the JSON has no list of objects')
      }
      if (state === 'inside') throw new ImportError('the JSON ends in the middle of its list')
    },
  }
}
