import { fileNames } from '../../catalogue/columns.ts'

/** The columns of the catalogue's file as it came, in its order. */
const original =
  'animeID,title,alternative_title,type,year,score,episodes,mal_url,sequel,image_url,genres,genres_detailed'

/** What the generator writes: the original's columns, and those that titles have got since. */
export const csvHeader = [...new Set([...original.split(','), ...Object.values(fileNames)])]

/** As many titles as the catalogue this service was made for. */
export const catalogueSize = 20_238

const openings =
  'Crimson,Silent,Azure,Midnight,Wandering,Iron,Paper,Hidden,Electric,Last,Golden,Lunar'
const middles =
  'Garden,Voyager,Academy,Kitchen,Samurai,Orchestra,Detective,Lighthouse,Dragon,Engine'
const places = 'Kyōto,the Northern Sea,Tomorrow,a Thousand Stars,Café Étoile,the Ninth Gate,雪国'
const genreNames =
  "Action,Adventure,Comedy,Drama,Fantasy,Sci-Fi,Romance,Mystery,Sports,Horror,Slice of Life,Coup d'etat"
const types = ['TV', 'TV', 'TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'SPECIAL', 'MUSIC', '?']

const words = {
  openings: openings.split(','),
  middles: middles.split(','),
  places: places.split(','),
  genres: genreNames.split(','),
}

/**
 * Yields a CSV of `count` plausible titles in the original's format, in chunks of about 64 KiB: the
 * same bytes for the same count, on every machine.
 */
export function* generateCsv(count: number = catalogueSize): Generator<string> {
  const random = xorshift32(20_238)
  let chunk = `${csvHeader.join(',')}\r\n`
  for (let id = 1; id <= count; id += 1) {
    chunk += `${line(id, random)}\r\n`
    if (chunk.length > 65_536) {
      yield chunk
      chunk = ''
    }
  }
  if (chunk !== '') yield chunk
}

function line(id: number, random: (below: number) => number): string {
  const pick = <T>(list: readonly T[]) => list[random(list.length)]!
  const type = pick(types)
  const title = titleOf(pick, random)
  const year = random(60) === 0 ? '?' : 2025 - Math.floor((random(100) * random(100)) / 150)
  const score = random(3) === 0 ? '?' : (3 + random(6) + random(100) / 100).toFixed(2)
  const episodes = type === 'MOVIE' ? 1 : pick([0, 1, 2, 6, 10, 11, 12, 12, 12, 13, 24, 25, 26, 52])
  const genres = new Set(Array.from({ length: random(5) }, () => pick(words.genres)))
  const cells: Record<string, string | number> = {
    animeID: id,
    title: /[",]/.test(title) ? `"${title.replaceAll('"', '""')}"` : title,
    type,
    year,
    score,
    episodes,
    mal_url: `https://example.org/anime/${id}`,
    sequel: random(8) === 0 ? 'True' : 'False',
    genres: pythonList([...genres]),
    genres_detailed: '[]',
  }
  return csvHeader.map((name) => cells[name] ?? '').join(',')
}

function titleOf(pick: (list: readonly string[]) => string, random: (below: number) => number) {
  const name = `${pick(words.openings)} ${pick(words.middles)}`
  switch (random(6)) {
    case 0:
      return `${name} of ${pick(words.places)}`
    case 1:
      return `${name}: ${pick(words.openings)} Chapter ${1 + random(24)}`
    case 2:
      return `${name}, Season ${2 + random(8)}`
    case 3:
      return `The "${pick(words.middles)}" of ${pick(words.places)}, Part ${1 + random(40)}`
    default:
      return `${name} ${1 + random(400)}`
  }
}

function pythonList(items: string[]): string {
  const quoted = items.map((item) => (item.includes("'") ? `"${item}"` : `'${item}'`))
  return `"[${quoted.join(', ').replaceAll('"', '""')}]"`
}

/** Marsaglia's xorshift (Journal of Statistical Software 8(14), 2003): whole numbers below a bound. */
function xorshift32(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
