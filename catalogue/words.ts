/**
 * What a word is, for search and for `sort=title`: the one definition, on every database. Text is taken
 * to its normal form (Unicode Standard Annex 15: NFKD, without marks, in lower case), and whatever is
 * no letter and no digit separates words. A run of Chinese, Japanese or Korean has no words: it is read
 * character by character.
 */

/** Longest word that is kept; of a longer one the beginning is. */
export const maxWordLength = 64
/** Most places of a title that are kept; real ones have fewer than fifty. */
export const maxPositions = 500
/** How many parts a joined word has at most, as `steins` and `gate` are parts of `steinsgate`. */
const maxParts = 8

/** A run of CJK characters is one part here, however long. */
interface Part {
  text: string
  cjk: boolean
  /** Whether only punctuation, and no white space, stands between this part and the one before. */
  joined: boolean
}

/** A word of a query: the title has a word that begins so or, for a run of CJK, has the run. */
export interface Term {
  text: string
  cjk: boolean
}

const separator = 1
const blank = 2
const letter = 3
const cjk = 4
/** The class of each UTF-16 code unit met so far; 0: not met. */
const classes = new Uint8Array(65_536)
const isCjk =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}ー]$/u
const isLetter = /^[\p{L}\p{N}]$/u
/** Modifier letters that stand for an apostrophe: letters to Unicode, and to nobody who types. */
const isApostrophe = /^[\u02b9-\u02bf]$/

function classify(character: string): number {
  if (/^\s$/.test(character)) return blank
  // Voiced marks stay on their kana, so a lone one is no more than a mark.
  if (!isLetter.test(character) || isApostrophe.test(character)) return separator
  return isCjk.test(character) ? cjk : letter
}

/** Half a surrogate pair has no class there. */
const classAt = (text: string, at: number): number =>
  classes[text.charCodeAt(at)]! || classifyAt(text, at)

function classifyAt(text: string, at: number): number {
  if (isPair(text, at)) return classify(text.slice(at, at + 2))
  const found = classify(text[at]!)
  if (text[at]!.isWellFormed()) classes[text.charCodeAt(at)] = found
  return found
}

/** Letters that Unicode does not take apart and a keyboard often lacks. */
const plainLetters: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ı: 'i',
  þ: 'th',
  ς: 'σ',
}
const plain = new RegExp(`[${Object.keys(plainLetters).join('')}]`, 'g')
// The two marks that make ガ of カ make another letter, not an accent.
const marks = /[\p{M}--[\u3099\u309a]]/gv
const ascii = /^[\0-\x7f]*$/

/** `text` in normal form, its punctuation and blanks still there. */
function fold(text: string): string {
  const lower = ascii.test(text)
    ? text.toLowerCase()
    : text
        .normalize('NFKD')
        .toLowerCase()
        .replaceAll(marks, '')
        .replaceAll(plain, (each) => plainLetters[each]!)
        // Syllables of Hangul, and kana with their voiced marks, are one character again.
        .normalize('NFC')
  return lower.includes('&') ? lower.replaceAll('&', ' and ') : lower
}

function partsOf(text: string): Part[] {
  const folded = fold(text)
  const parts: Part[] = []
  let joined = false
  let at = 0
  while (at < folded.length) {
    const kind = classAt(folded, at)
    const start = at
    do at += isPair(folded, at) ? 2 : 1
    while (at < folded.length && classAt(folded, at) === kind)
    if (kind === blank) joined = false
    if (kind < letter) continue
    const word = folded.slice(start, at)
    const last = parts.at(-1)
    // スパイ・ファミリー is one run.
    if (joined && kind === cjk && last!.cjk) last!.text += word
    else parts.push({ text: word, cjk: kind === cjk, joined })
    joined = true
  }
  return parts
}

const isPair = (text: string, at: number) =>
  (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00

/** Longest normal form that is kept, in UTF-16 units. */
export const maxSortTitle = 400

/**
 * The words of a title with one blank between: what `sort=title` goes by. Its order by code points and
 * by UTF-16 units, as one database or the other has it, is the same.
 */
export const sortTitle = (title: string): string => sortTitleOf(partsOf(title))

function sortTitleOf(parts: Part[]): string {
  let text = ''
  for (const part of parts) text += text === '' ? part.text : ` ${part.text}`
  // A dozen rare ideographs, which would stand before the surrogate pairs or after them.
  if (isHigh.test(text)) text = text.replaceAll(isHigh, '\ud7fb')
  return cut(text, maxSortTitle).trimEnd()
}

const isHigh = /[\ue000-\uffff]/g

/** Whether a text stands in a `sortTitle` as it stands in a title's words. */
export const isInSortTitle = (text: string): boolean => !/[\ud7fb\ue000-\uffff]/.test(text)

/** What `q` asks for, in its order; empty when it is nothing but punctuation. */
export const termsOf = (q: string): Term[] =>
  partsOf(q).map(({ text, cjk }) => ({ text: cjk ? text : cut(text), cjk }))

/** `q` as its terms have it: what means the same is the same text, and stands for itself. */
export const normalQuery = (q: string): string =>
  termsOf(q)
    .map(({ text }) => text)
    .join(' ')

/**
 * Calls `visit` with each word of a title, where it stands and how many places it fills, and gives the
 * number of places and the title's `sortTitle`. Each CJK character fills a place and is visited with the next one; parts with only
 * punctuation between are visited joined too, so that `Steins;Gate` is found as `steinsgate`.
 */
export function visitWords(
  title: string,
  visit: (word: string, position: number, span: number) => void,
): { positions: number; sortTitle: string } {
  const parts = partsOf(title)
  let position = 0
  for (let index = 0; index < parts.length && position < maxPositions; index += 1) {
    const { text, cjk } = parts[index]!
    if (cjk) {
      const characters = [...text]
      for (let at = 0; at < characters.length && position < maxPositions; at += 1) {
        visit(characters[at]! + (characters[at + 1] ?? ''), position, 1)
        position += 1
      }
      continue
    }
    visit(cut(text), position, 1)
    if (parts[index + 1]?.joined && !parts[index + 1]!.cjk) {
      const whole = joinedFrom(parts, index)
      visit(cut(whole.text), position, whole.parts)
    }
    position += 1
  }
  return { positions: position, sortTitle: sortTitleOf(parts) }
}

function joinedFrom(parts: Part[], from: number): { text: string; parts: number } {
  let { text } = parts[from]!
  let to = from + 1
  while (to - from < maxParts && parts[to]?.joined && !parts[to]!.cjk) {
    text += parts[to]!.text
    to += 1
  }
  return { text, parts: to - from }
}

/** Never through a surrogate pair. */
function cut(text: string, length: number = maxWordLength): string {
  if (text.length <= length) return text
  return text.slice(0, isPair(text, length - 1) ? length - 1 : length)
}

/** The pairs of characters that a run of two or more consists of. */
export function pairsOf(run: string): string[] {
  const characters = [...run]
  return characters.slice(1).map((character, at) => characters[at]! + character)
}

/**
 * The least text that is greater than every text that begins with `prefix`, by code points and by
 * UTF-16 code units alike.
 */
export function afterPrefix(prefix: string): string {
  const last = [...prefix].at(-1)!
  const next = last.codePointAt(0)! + 1
  return prefix.slice(0, -last.length) + String.fromCodePoint(next === 0xd800 ? 0xe000 : next)
}
