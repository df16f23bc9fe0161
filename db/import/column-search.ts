import { type ColumnName, columnNames, fileNames, stagedColumns } from '../../catalogue/columns.ts'
import { columnNamesInFiles, keyNames, numberedList, plain } from '../../catalogue/names.ts'
import { type CellRules, cleanersOf, RowError } from './cells.ts'
import { ImportError } from './errors.ts'
import {
  between,
  type FileColumns,
  listed,
  type NaturalColumn,
  naturalKey,
  ourName,
  type Positions,
  type StagedName,
} from './file-columns.ts'
import { hasBlanksBetween, unknownMark } from './lists.ts'

/** What follows a name in brackets: Score (out of 10). */
const unit = /[([（【][^()[\]（）【】]*[)\]）】]\s*$/

/** Finds our columns in the header of a file, each column of the file once. */
export class ColumnSearch {
  readonly positions: Positions = {}
  private readonly header: readonly string[]
  private readonly sample: readonly (readonly string[])[]
  private readonly plain: string[]
  private readonly withoutUnit: string[]
  private readonly rules: CellRules
  private readonly taken = new Set<number>()
  private readonly notes: string[] = []
  private natural: NaturalColumn[] | undefined

  constructor(header: readonly string[], sample: readonly (readonly string[])[], rules: CellRules) {
    this.header = header
    this.sample = sample
    this.plain = header.map(plain)
    this.withoutUnit = header.map((name) => plain(name.replace(unit, '')))
    this.rules = rules
  }

  map(ours: string, theirs: string): void {
    const name = ownName(ours)
    this.take(name, [...(this.positions[name] ?? []), this.at('--map', theirs)])
  }

  /** One column with a source's ids, or columns that are title, type or year. */
  takeKey(names: readonly string[]): void {
    const places = names.map((name) => this.at('--key', name))
    for (const name of naturalKey) if (this.positions[name] === undefined) this.find(name)
    const natural = naturalKey.filter((name) => places.includes(this.positions[name]?.[0] ?? -1))
    if (natural.length === places.length && natural.includes('title')) this.natural = natural
    else if (places.length === 1) this.take('source_id', places)
    else throw new ImportError('--key takes one column of ids, or title, type or year')
  }

  findKey(isJson: boolean): void {
    const own = new Set<string>(['id', ...columnNames])
    // A list that this service gave over HTTP, whose ids are its own.
    if (isJson && this.header.includes('id') && this.header.every((name) => own.has(name))) {
      this.note('id', "passed over, as it may be this service's own (--key id: it is the source's)")
      return
    }
    this.find('source_id')
  }

  find(name: StagedName): void {
    if (name === 'genres') {
      const numbered = this.where(this.plain, (each) => numberedList.test(each))
      if (numbered.length > 0) {
        this.take(name, numbered)
        return
      }
    }
    const exact = this.candidates(name, this.plain)
    const places = exact.length > 0 ? exact : this.candidates(name, this.withoutUnit)
    const { chained = false } = namesOf(name)
    const [first, second] = places[0] ?? []
    if (first === undefined) return
    if (chained && this.plain[first] !== this.plain[second ?? -1]) {
      this.take(name, places.flat())
      return
    }
    if (second !== undefined) {
      const candidates = listed(places[0]!.map((at) => this.header[at]!))
      throw new ImportError(
        `the ${ourName(name)} may be ${candidates}: say which with --map ${ourName(name)}=NAME`,
      )
    }
    this.take(name, [first])
  }

  noTitle(): string {
    const known = namesOf('title').sure.join(' ').split(' ').slice(0, 8).join(', ')
    const isRow = this.header.some((name) => /^\s*\d+([.,]\d+)?\s*$/.test(name))
    const doubt = isRow ? '; the first row seems to be no header' : ''
    return `no column for the title${doubt}: the header has ${listed(this.header)}; known are ${known} and others, or --map title=NAME`
  }

  found(): FileColumns {
    const { header, positions, notes, rules } = this
    const natural = this.naturalKey()
    const blanks =
      positions.genres !== undefined &&
      rules.separator === undefined &&
      this.hasBlanks(positions.genres)
    const summary = this.summary()
    return {
      header,
      positions,
      natural,
      rules: blanks ? { ...rules, blanks } : rules,
      notes: summary === undefined ? notes : [summary, ...notes],
    }
  }

  /** What was taken for what, unless every column has its own name. */
  private summary(): string | undefined {
    const { positions, header } = this
    const own = stagedColumns.every((name) => {
      const at = positions[name]?.[0]
      return at !== undefined && header[at]!.trim().toLowerCase() === fileNames[name].toLowerCase()
    })
    if (own) return undefined
    const pairs = stagedColumns.flatMap((name) => {
      const theirs = positions[name]?.map((at) => header[at]!.trim() || '""').join(between(name))
      if (theirs === undefined) return []
      return theirs === ourName(name) ? [theirs] : [`${ourName(name)} = ${theirs}`]
    })
    const missing = columnNames.filter((name) => positions[name] === undefined)
    const without = missing.length > 0 ? `; no ${missing.join(', ')}` : ''
    const by =
      positions.source_id === undefined
        ? `; a title is known by its ${this.naturalKey().join(', ')}`
        : ''
    return `columns: ${pairs.join(', ')}${without}${by}`
  }

  private naturalKey(): NaturalColumn[] {
    return this.natural ?? naturalKey.filter((name) => this.positions[name] !== undefined)
  }

  private take(name: StagedName, places: number[]): void {
    this.positions[name] = places
    for (const at of places) this.taken.add(at)
  }

  /** The columns that may be the one called `name`: those of each group of its names of which one is there. */
  private candidates(name: StagedName, header: readonly string[]): number[][] {
    const { sure, doubtful = [] } = namesOf(name)
    const groups = sure.map((group) => this.group(group, header))
    for (const group of doubtful) {
      groups.push(this.group(group, header).filter((at) => this.fits(name, at)))
    }
    return groups.filter((group) => group.length > 0)
  }

  private where(header: readonly string[], test: (name: string) => boolean): number[] {
    return [...header.keys()].filter((at) => !this.taken.has(at) && test(header[at]!))
  }

  /** The columns with a name of the group, in the order of the group. */
  private group(names: string, header: readonly string[]): number[] {
    return names.split(' ').flatMap((name) => this.where(header, (each) => each === plain(name)))
  }

  private at(option: string, name: string): number {
    const exact = this.header.findIndex((each) => each.trim() === name.trim())
    const at = exact === -1 && plain(name) !== '' ? this.plain.indexOf(plain(name)) : exact
    if (at === -1) {
      throw new ImportError(
        `${option}: the header has no column "${name}"; it has ${listed(this.header)}`,
      )
    }
    return at
  }

  /** Whether at least half of what the column says can be a value of ours. */
  private fits(name: StagedName, at: number): boolean {
    const clean = cleanersOf(this.rules)[name]
    const texts = this.sample
      .map((row) => row[at] ?? '')
      .filter((text) => !unknownMark.test(text.trim()))
    if (this.sample.length === 0) return true
    const wrong = texts.filter((text) => !canBe(clean, text))
    const fits = texts.length > 0 && wrong.length * 2 <= texts.length
    const doubt =
      texts.length > 0 ? `no ${ourName(name)}: ${JSON.stringify(wrong[0]?.slice(0, 30))}` : 'empty'
    if (!fits && texts.length > 0)
      this.note(this.header[at]!, `passed over, its values are ${doubt}`)
    return fits
  }

  private hasBlanks(places: number[]): boolean {
    return hasBlanksBetween(this.sample.flatMap((row) => places.map((at) => row[at] ?? '')))
  }

  private note(column: string, text: string): void {
    const note = `${column.trim()}: ${text}`
    if (!this.notes.includes(note)) this.notes.push(note)
  }
}

const namesOf = (name: StagedName) =>
  name === 'source_id' ? keyNames : columnNamesInFiles[name as ColumnName]

function ownName(text: string): StagedName {
  const name = text.trim().toLowerCase()
  if (name === 'id' || name === fileNames.source_id.toLowerCase()) return 'source_id'
  const found = columnNames.find((each) => each === name)
  if (found !== undefined) return found
  throw new ImportError(
    `--map: there is no column "${text}"; it takes id, ${columnNames.join(', ')}`,
  )
}

function canBe(clean: (text: string) => unknown, text: string): boolean {
  try {
    clean(text)
    return true
  } catch (error) {
    if (error instanceof RowError) return false
    throw error
  }
}
