import { Agent, request } from 'node:http'
import type { Filter, Read, Row, State } from './history.ts'
import { adminHeaders, type Subject } from './subject.ts'

const types = ['TV', 'MOVIE', 'OVA']
const genres = ['Action', 'Drama', 'Slice of Life']
const years = [2001, 2002, 2003]
/** Too different for one to be taken for another by a search. */
const words = ['crimson', 'silent', 'voyager']

export interface Instance {
  name: string
  url: string
  alive: boolean
}

/** What the workload saw: every row's states, every read, and how the answers came about. */
export interface Observed {
  states: Map<number, State[]>
  reads: Read[]
  writes: number
  deferred: number
  unknown: number
  failed: number
  statuses: Record<string, number>
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

function send(url: string, method: string, body?: object, accept = '*/*'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const own = { ...adminHeaders, accept }
    const headers = body ? { ...own, 'content-type': 'application/json' } : own
    const sent = request(url, { method, agent, headers, timeout: 15_000 }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk) => {
        text += chunk
      })
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode!, headers: incoming.headers, body: text }),
      )
      incoming.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('timeout')))
    sent.on('error', reject)
    sent.end(body && JSON.stringify(body))
  })
}

/** A write whose connection was refused has certainly not happened. */
const notSent = ({ code }: NodeJS.ErrnoException) =>
  code === 'ECONNREFUSED' ? 'not sent' : undefined

/** A random list, page or single title, and what it should hold. */
function randomQuery(subject: Subject, ids: number[]): { path: string; filter: Filter } {
  const kind = Math.random()
  if (kind < 0.15 && ids.length > 0) {
    const id = pick(ids)
    return { path: `${subject.list}/${id}`, filter: { id } }
  }
  const filter: Filter = {}
  if (Math.random() < 0.6) filter.type = pick(types)
  if (Math.random() < 0.3) filter.year = pick(years)
  if (Math.random() < 0.5) {
    filter.genre = Math.random() < 0.3 ? [genres[0]!, genres[1]!] : [pick(genres)]
  }
  if (subject.searches && Math.random() < 0.3) filter.word = pick(words)
  filter.partial = Math.random() < 0.2
  const page = filter.partial ? pick(subject.pages) : []
  const parameters = new URLSearchParams([...page, ...subject.parametersOf(filter)])
  return { path: `${subject.list}?${parameters}`, filter }
}

const readJson = (text: string): unknown[] => {
  const body = JSON.parse(text)
  return body.data ?? [body]
}

/** What an answer shows: nothing, if it is in another format than was asked for. */
function rowsIn(body: string, read = readJson): unknown[] {
  try {
    return read(body)
  } catch {
    return []
  }
}

/** Reads and writes random things on random instances; a write's stamp is unique. */
export function createWorkload(instances: Instance[], subject: Subject) {
  const { list, bodyOf } = subject
  const rowOf = subject.rowOf as (shown: unknown) => Row
  const observed: Observed = {
    states: new Map(),
    reads: [],
    writes: 0,
    deferred: 0,
    unknown: 0,
    failed: 0,
    statuses: {},
  }
  const busy = new Set<number>()
  let stamp = 0
  let uncertainInserts = 0

  const alive = () => pick(instances.filter((instance) => instance.alive).concat(instances))

  async function read(): Promise<void> {
    const instance = alive()
    const { path, filter } = randomQuery(subject, [...observed.states.keys()])
    const format = filter.id === undefined && Math.random() < 0.3 ? subject.otherFormat : undefined
    const started = performance.now()
    const answer = await send(instance.url + path, 'GET', undefined, format?.accept).catch(
      () => undefined,
    )
    const ended = performance.now()
    if (answer === undefined || (answer.status !== 200 && answer.status !== 404)) {
      observed.failed += 1
      return
    }
    const cache = String(answer.headers['cache-status'] ?? 'none')
    const status = /hit|collapsed|fwd=\w+/.exec(cache)?.[0] ?? 'none'
    observed.statuses[status] = (observed.statuses[status] ?? 0) + 1
    const shown = answer.status === 404 ? [] : rowsIn(answer.body, format?.read)
    const by = `${instance.name} (${cache})`
    observed.reads.push({ filter, started, ended, rows: shown.map(rowOf), by })
  }

  async function write(): Promise<void> {
    const free = [...observed.states].filter(
      ([id, all]) => !busy.has(id) && all.at(-1)!.row !== null,
    )
    if (free.length === 0 || (free.length < 25 && uncertainInserts < 50)) return insert()
    const [id, history] = pick(free)
    busy.add(id)
    stamp += 1
    const before = history.at(-1)!.row!
    const remove = Math.random() < 0.15
    const change = remove ? undefined : { ...randomChange(), stamp }
    const row = change && { ...before, ...change }
    const state: State = {
      stamp: remove ? null : stamp,
      row: row ? { ...row, id, stamp } : null,
      started: performance.now(),
      ended: Number.POSITIVE_INFINITY,
      by: '',
    }
    history.push(state)
    const instance = alive()
    state.by = instance.name
    const url = `${instance.url}${list}/${id}`
    const body = change && bodyOf(change)
    const batch = Math.random() < 0.3 ? subject.batchOf?.(id, body) : undefined
    const answer = await (batch === undefined
      ? send(url, remove ? 'DELETE' : 'PATCH', body)
      : send(`${instance.url}${list}/batch`, 'POST', batch)
    ).catch(notSent)
    if (answer === 'not sent') {
      history.splice(history.indexOf(state), 1)
      busy.delete(id)
      observed.failed += 1
      return
    }
    // A write of unknown fate leaves both states possible for ever, and its row alone.
    if (answer === undefined || answer.status >= 500) {
      observed.unknown += 1
      return
    }
    if (answer.status >= 400) throw new Error(`a write got ${answer.status} ${answer.body}`)
    finished(state, answer)
    busy.delete(id)
  }

  function finished(state: State, answer: Answer) {
    state.ended = performance.now()
    observed.writes += 1
    if (String(answer.headers['cache-status']).includes('deferred')) {
      observed.deferred += 1
      state.by += ' deferred'
    }
  }

  async function insert(): Promise<void> {
    stamp += 1
    const own = stamp
    const body = bodyOf({
      ...{ title: `Row ${own}`, score: own % 10, stamp: own, word: pick(words) },
      ...{ type: pick(types), genres: [pick(genres)], year: pick(years) },
    })
    const started = performance.now()
    // Its id is known only afterwards; until then reads of it are set against `expected`.
    expected.set(own, started)
    const instance = alive()
    const answer = await send(instance.url + list, 'POST', body).catch(notSent)
    if (answer === 'not sent') {
      expected.delete(own)
      observed.failed += 1
      return
    }
    if (answer?.status !== 201) {
      uncertainInserts += 1
      observed.unknown += 1
      return
    }
    const row = rowOf(JSON.parse(answer.body))
    const state: State = { stamp: own, row, started, ended: 0, by: instance.name }
    finished(state, answer)
    expected.delete(own)
    const absent = { stamp: null, row: null, started: Number.NEGATIVE_INFINITY, ended: 0, by: '' }
    observed.states.set(row.id, [absent, state])
  }

  const expected = new Map<number, number>()

  /** Takes up a title that was there before, and gives it a stamp. */
  async function meet(id: number): Promise<void> {
    stamp += 1
    const answer = await send(
      `${alive().url}${list}/${id}`,
      'PATCH',
      bodyOf({ stamp, word: words[0]! }),
    )
    const state = {
      stamp,
      row: rowOf(JSON.parse(answer.body)),
      started: 0,
      ended: performance.now(),
      by: '',
    }
    observed.states.set(id, [state])
  }

  return {
    read,
    write,
    meet,
    /** The history, with the rows of inserts whose answer never came. */
    observed(): Observed {
      for (const { rows } of observed.reads) {
        for (const row of rows) {
          const started = expected.get(row.stamp)
          if (started === undefined || observed.states.has(row.id)) continue
          const absent = {
            stamp: null,
            row: null,
            started: Number.NEGATIVE_INFINITY,
            ended: 0,
            by: '',
          }
          const state = {
            stamp: row.stamp,
            row,
            started,
            ended: Number.POSITIVE_INFINITY,
            by: 'unknown',
          }
          observed.states.set(row.id, [absent, state])
        }
      }
      return observed
    },
  }
}

function randomChange() {
  const change: Partial<Pick<Row, 'type' | 'year' | 'genres' | 'word'>> = {}
  if (Math.random() < 0.3) change.word = pick(words)
  if (Math.random() < 0.5) change.type = pick(types)
  if (Math.random() < 0.4) change.year = pick(years)
  if (Math.random() < 0.4) change.genres = genres.filter(() => Math.random() < 0.5)
  return change
}
