/** One committed or possibly committed state of one row. `stamp` names it; null is absence. */
export interface State {
  stamp: number | null
  row: Row | null
  /** When the write began and when it was known to have ended (ms); Infinity: its fate is unknown. */
  started: number
  ended: number
  /** For the report: who wrote it, and how it went. */
  by: string
}

export interface Row {
  id: number
  type: string
  year: number | null
  genres: string[]
  /** A word of its title, where titles are searched. */
  word?: string | undefined
  stamp: number
}

export interface Filter {
  id?: number
  type?: string
  year?: number
  genre?: string[]
  word?: string
  /** A page: rows may be missing for being on another one. */
  partial?: boolean
}

export interface Read {
  filter: Filter
  started: number
  ended: number
  rows: Row[]
  /** For the report: which instance, and what it said of the cache. */
  by: string
}

const matches = (filter: Filter, { id, type, year, genres, word }: Row): boolean =>
  (filter.id === undefined || filter.id === id) &&
  (filter.type === undefined || filter.type === type) &&
  (filter.year === undefined || filter.year === year) &&
  (filter.word === undefined || filter.word === word) &&
  (filter.genre ?? []).every((name) => genres.includes(name))

/**
 * Judges a history of one service by many instances. Each row is a register written by one client at
 * a time, so its states are in order. For every read it must be that
 *
 * 1. each row stood, at some moment between the read's begin and end, in the state it was shown in (or
 *    was not shown in), and
 * 2. no row is shown in a state older than one that a read which had ended before had shown.
 *
 * Gives a sentence for every violation.
 */
export function judge(states: Map<number, State[]>, reads: Read[]): string[] {
  const violations: string[] = []
  const byBegin = reads.toSorted((a, b) => a.started - b.started)
  const byEnd = reads.toSorted((a, b) => a.ended - b.ended)
  const floors = new Map<number, number>()
  const oldests = new Map<number, number>()
  const witnessed = new Map<Read, Map<number, number>>()
  const standing = new Map(states)
  let ended = 0
  // A read's own findings are needed only by reads that begin after its end, so one pass by begin does.
  for (const read of byBegin) {
    while (ended < byEnd.length && byEnd[ended]!.ended < read.started) {
      for (const [id, index] of witnessed.get(byEnd[ended]!) ?? []) {
        if (index > (floors.get(id) ?? 0)) floors.set(id, index)
      }
      witnessed.delete(byEnd[ended]!)
      ended += 1
    }
    const found = new Map<number, number>()
    witnessed.set(read, found)
    const shown = new Map(read.rows.map((row) => [row.id, row]))
    for (const [id, history] of standing) {
      // A row that is gone for good can only be wrong by being shown.
      const last = history.at(-1)!
      if (last.row === null && last.ended < read.started) standing.delete(id)
    }
    for (const id of new Set([...standing.keys(), ...shown.keys()])) {
      const history = states.get(id)
      if (history === undefined) continue
      // The oldest state that can have been the row's since the read began: it never moves back.
      let oldest = oldests.get(id) ?? 0
      while ((history[oldest + 1]?.ended ?? Infinity) < read.started) oldest += 1
      oldests.set(id, oldest)
      const floor = floors.get(id) ?? 0
      const problem = judgeRow(id, history, oldest, read, shown.get(id), floor, found)
      if (problem !== undefined) violations.push(problem)
    }
    for (const row of read.rows) {
      if (!states.has(row.id)) violations.push(`${describe(read)}: row ${row.id} was never written`)
      else if (!matches(read.filter, row))
        violations.push(`${describe(read)}: ${row.id} does not match`)
    }
  }
  return violations
}

function judgeRow(
  id: number,
  history: State[],
  oldest: number,
  read: Read,
  row: Row | undefined,
  floor: number,
  found: Map<number, number>,
): string | undefined {
  if (row === undefined && (read.filter.partial || (read.filter.id ?? id) !== id)) return undefined
  const fits = (state: State) =>
    row === undefined
      ? state.row === null || !matches(read.filter, state.row)
      : state.stamp === row.stamp
  let inTime = false
  for (let index = oldest; (history[index]?.started ?? Infinity) <= read.ended; index += 1) {
    if (!fits(history[index]!)) continue
    inTime = true
    if (index < floor) continue
    found.set(id, index)
    return undefined
  }
  const what = row === undefined ? 'is missing' : `shows state ${row.stamp}`
  const why = inTime
    ? `, though state ${history[floor]?.stamp} had been seen`
    : ' in no moment of it'
  const recent = history
    .slice(-4)
    .map(
      ({ stamp, started, ended, by }) =>
        `${stamp} ${by} ${started.toFixed(1)}..${ended.toFixed(1)}`,
    )
  return `${describe(read)}: row ${id} ${what}${why} (latest: ${recent.join('; ')})`
}

const describe = ({ by, filter, started, ended }: Read) =>
  `read of ${JSON.stringify(filter)} by ${by} at ${started.toFixed(1)}..${ended.toFixed(1)}`
