import { account } from '../shared/session.js'
import { ask } from './api.js'
import { $, bytes, count, element, plural, seconds } from './dom.js'

const most = 10_000
/** How many of the keys held are drawn; those that went always are. */
const drawn = 40

/** Counts the requests for the keys, so that one that comes late is not shown over a later one. */
let requests = 0
/** The last write: the keys that went with it and those that stayed, as they were before it. */
let write

const isAdmin = () => account()?.role === 'admin'

/**
 * The keys held, each once, whichever tiers have it. What memory alone holds beside a Redis may have been
 * made wrong: an instance checks it only when it is asked for, and does not serve it then.
 */
async function list() {
  const { value } = await ask(`v1/cache?limit=${most}`, { quiet: true })
  const keys = new Map()
  for (const info of value.data) {
    const { key, tier, hits = 0 } = info
    const known = keys.get(key)
    if (known === undefined) keys.set(key, { ...info, hits, tiers: [tier] })
    else keys.set(key, { ...known, hits: known.hits + hits, tiers: [...known.tiers, tier] })
  }
  if (value.totals.redis !== 'ok') return keys
  return new Map([...keys].filter(([, { tiers }]) => tiers.includes('redis')))
}

/** Shows the keys held, to an admin. */
export async function refresh() {
  $('keys-note').hidden = isAdmin()
  $('keys-refresh').hidden = !isAdmin()
  if (isAdmin()) {
    try {
      requests += 1
      const mine = requests
      const held = await list()
      if (mine === requests) draw(held)
    } catch (error) {
      $('keys-change').textContent = `The keys cannot be shown: ${error.message}.`
    }
    return
  }
  write = undefined
  $('keys').hidden = true
  $('keys-count').textContent = ''
  $('keys-change').textContent = ''
}

/** Does `work`, a write, and shows which keys went with it; `done` gives a sentence about its result. */
export async function watchKeys(work, done) {
  const before = await list()
  const result = await work()
  requests += 1
  const after = await list()
  const gone = [...before.values()].filter(({ key }) => !after.has(key))
  const stayed = new Set([...before.keys()].filter((key) => after.has(key)))
  write = { gone: new Map(gone.map((info) => [info.key, info])), stayed }
  draw(after)
  $('keys-change').textContent =
    `${done(result)} ${sayGone(gone)} ${plural(stayed.size, 'key')} stayed.`
}

function sayGone(gone) {
  if (gone.length === 0) return 'No key went.'
  const names = gone.slice(0, 5).map(({ key }) => key)
  const more = gone.length > names.length ? ` and ${gone.length - names.length} more` : ''
  return `${plural(gone.length, 'key')} went: ${names.join(', ')}${more}.`
}

function draw(held) {
  const gone = [...(write?.gone.values() ?? [])].filter(({ key }) => !held.has(key))
  const lines = [
    ...gone.map((info) => line(info, 'went')),
    ...[...held.values()].slice(0, drawn).map((info) => line(info, markOf(info.key))),
  ]
  $('keys-count').textContent = held.size < most ? count(held.size) : `the first ${count(most)}`
  $('keys').replaceChildren(...lines)
  if (held.size > drawn) {
    const rest = `and ${plural(held.size - drawn, 'more key')}`
    $('keys').append(element('li', { className: 'note' }, rest))
  }
  $('keys').hidden = lines.length === 0
}

function markOf(key) {
  if (write === undefined) return undefined
  if (write.stayed.has(key)) return 'stayed'
  return write.gone.has(key) ? 'asked anew' : 'new'
}

function line({ key, tags, bytes: size, age, hits, tiers }, mark) {
  const more = [
    `tags ${tags.map(decodeURIComponent).join(', ')}`,
    bytes(size),
    `${seconds(age)} old`,
    plural(hits, 'hit'),
    tiers.includes('redis') && tiers.join(' and '),
  ]
  return element(
    'li',
    { className: mark === undefined ? '' : mark.replace(' ', '-') },
    element(mark === 'went' ? 'del' : 'span', {}, element('code', {}, key)),
    mark === undefined ? null : element('strong', { className: 'mark' }, mark),
    element('small', {}, more.filter(Boolean).join(' · ')),
  )
}

$('keys-refresh').addEventListener('click', refresh)
