import { decodeHTML } from 'entities'
import type { Column } from '../../catalogue/columns.ts'
import { plain, typeBySpelling } from '../../catalogue/names.ts'
import { unknownMark } from './lists.ts'

/** How cells are read that people wrote. */
export interface SpellingRules {
  /** The highest score there is, where it is not 10. */
  scale?: number
}

type Rewrite = (text: string) => string

/**
 * What rewrites the ways in which people write a value of a column into the one that mapping.ts takes.
 * A text that it does not know stays, and is refused there.
 */
export function rewriterOf(column: Column, { scale }: SpellingRules): Rewrite {
  switch (column.kind) {
    case 'text':
      return (text) => (text.includes('&') ? decodeHTML(text) : text)
    case 'choice':
      return (text) => known(text, (value) => typeBySpelling.get(plain(value)) ?? value)
    case 'integer':
      return (text) => known(text, column.reads === 'year' ? year : count)
    case 'decimal':
      return (text) => known(text, (value) => score(value, scale))
    case 'list':
      return (text) => text
  }
}

function known(text: string, rewrite: Rewrite): string {
  const value = text.trim()
  return unknownMark.test(value) ? '' : rewrite(value)
}

const wholeNumber = /^-?\d+(\.0+)?$/

/** The first year of a date, a season or a range; of two digits, up to 40 is this century. */
function year(value: string): string {
  const compact = /^((?:19|20)\d\d)[01]\d[0-3]\d$/.exec(value)
  if (compact !== null) return compact[1]!
  if (/^-?\d+([.,]\d+)?$/.test(value)) return value
  const full = /(?<!\d)(?:19\d\d|20\d\d|2100)(?!\d)/.exec(value)
  if (full !== null) return full[0]
  const short = /^(?:\d{1,2}[-/. ])?(?:\p{L}{3,9}\.?|\d{1,2})[-/. ](\d\d)$/u.exec(value)
  if (short === null) return value
  return String(Number(short[1]) <= 40 ? 2000 + Number(short[1]) : 1900 + Number(short[1]))
}

const counted =
  /^(?:全|共)?\s*(\d+)(?:\.0+)?\s*(?:eps?|episodes?|episodios?|episodi|folgen|episoden|серий|話|话|集|회|화)?\.?$/iu

/** A number with separators of thousands, and with a word for episodes behind it. */
function count(value: string): string {
  if (wholeNumber.test(value)) return value
  if (/^(currently )?(airing|ongoing)$/i.test(value)) return ''
  const together = /^\d{1,3}(?:[,\u00a0\u202f ]\d{3})+/.test(value)
    ? value.replaceAll(/(?<=\d)[,\u00a0\u202f ](?=\d{3})/g, '')
    : value
  return counted.exec(together)?.[1] ?? value
}

const decimal = /^(\d+(?:[.,]\d+)?)\s*(%|\/\s*(\d+(?:[.,]\d+)?))?$/

/** 8,75 and 8.75/10; a percentage is of an unknown scale. 0 means that there were no votes. */
function score(value: string, scale: number | undefined): string {
  const match = decimal.exec(value)
  if (match === null) return value
  const [, digits = '', sign, own] = match
  const number = Number(digits.replace(',', '.'))
  if (number === 0) return ''
  const outOf = own === undefined ? scale : Number(own.replace(',', '.'))
  if (sign === '%' && scale === undefined) return value
  if (outOf === undefined || outOf === 10 || !(outOf > 0)) return String(number)
  // Fifteen digits: what is a whole hundredth stays one.
  return String(Number(((number * 10) / outOf).toPrecision(15)))
}
