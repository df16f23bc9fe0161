import { sampleCsv } from './csv.ts'
import { csvBatches } from './csv-batches.ts'
import { decoded, encodingOf } from './encoding.ts'
import { ImportError } from './errors.ts'
import type { ColumnOptions, FileColumns } from './file-columns.ts'
import { findColumns } from './find-columns.ts'
import { type Format, formatOf, plainCsv } from './format.ts'
import { jsonParser, sampleJson } from './json.ts'
import { rowCleaner } from './mapping.ts'
import type { BatchParser, RowHandlers } from './rows.ts'
import { type Chunks, unpacked } from './unpack.ts'

export interface ReadOptions extends ColumnOptions {
  /** The encoding's name; found by looking at the text when it is not given. */
  encoding?: string
}

/** A catalogue whose format and columns are known. */
export interface OpenCatalogue {
  found: FileColumns
  /** The first rows as they stand in the file. */
  sample: readonly (readonly string[])[]
  /** All of the text, for `parser`. */
  text: AsyncIterable<Buffer | string>
  parser: (handlers: Omit<RowHandlers, 'clean'>) => BatchParser
}

/** How much of the text decides on its encoding, its format and its columns, in bytes. */
const headSize = 131_072

/**
 * Looks at the beginning of a file: unpacks it, finds its encoding, its format and its columns.
 * @throws ImportError, in one line, for what is no catalogue
 */
export async function openCatalogue(source: Chunks, options: ReadOptions): Promise<OpenCatalogue> {
  const { encoding: named, ...columnOptions } = options
  const { head, whole, chunks } = await unpacked(source, headSize)
  const { name, note } = encodingOf(head, options.strict ? 'utf-8' : named)
  const start = new TextDecoder(name).decode(head, { stream: !whole })
  const format = formatAs(start, options)
  const isCsv = format.kind === 'csv'
  // A CSV's parser decodes UTF-8 itself, and takes off the BOM.
  const text = isCsv && name === 'utf-8' ? chunks : decoded(chunks, name)
  const sampled = isCsv ? sampleCsv(start, whole, format) : sampleJson(start, whole, format.kind)
  if (sampled.header.length === 0) throw new ImportError(noHeader(isCsv, whole))
  const found = findColumns(sampled.header, sampled.sample, { ...columnOptions, isJson: !isCsv })
  if (note !== undefined) found.notes.unshift(note)
  const clean = rowCleaner(found)
  const parser = (handlers: Omit<RowHandlers, 'clean'>) =>
    isCsv
      ? csvBatches(format, found, { ...handlers, clean })
      : jsonParser(format.kind, sampled.header, found, { ...handlers, clean })
  return { found, sample: sampled.sample, text, parser }
}

function noHeader(isCsv: boolean, whole: boolean): string {
  if (whole) return isCsv ? 'the file has no header' : 'the file has no JSON object'
  const start = `the first ${headSize / 1024} KiB`
  return isCsv ? `no line ends in ${start}: that is no header` : `no object ends in ${start}`
}

function formatAs(start: string, { strict }: ReadOptions): Format {
  const format = formatOf(start)
  return strict ? plainCsv : format
}
