import { ask } from './api.js'
import { $, count, element, plural } from './dom.js'
import { receipt } from './receipt.js'
import { parameters } from './search.js'

const size = 20

/** The cursors of the pages up to this one; the first page has none. */
let cursors = [null]
/** Counts the searches, so that an answer that comes late is not shown over a later one. */
let asked = 0
let nextCursor = null

/** Asks for the titles that the form wants, from the first page on. */
export function search() {
  cursors = [null]
  return show()
}

/** Asks for this page again; with `condition`, only whether it is still right. */
export const again = (condition = false) => show({ condition })

async function show(options) {
  const wanted = parameters()
  wanted.set('limit', size)
  if (cursors.at(-1) !== null) wanted.set('cursor', cursors.at(-1))
  asked += 1
  const mine = asked
  $('list').ariaBusy = 'true'
  try {
    const answer = await ask(`v1/animes?${wanted}`, options)
    if (mine === asked) draw(answer)
  } catch (error) {
    if (mine === asked) fail(error)
  } finally {
    if (mine === asked) $('list').ariaBusy = 'false'
  }
}

function draw(answer) {
  const { data, total, next, corrected } = answer.value
  nextCursor = next
  const first = (cursors.length - 1) * size
  $('receipt-body').replaceChildren(...receipt(answer).filter(Boolean))
  $('problem').textContent = ''
  $('outdated').hidden = true
  $('total').textContent =
    total === 0
      ? 'None matches. Try fewer words or filters.'
      : `${plural(total, 'title')}${corrected ? `, searched as “${corrected}”` : ''}`
  $('list').start = first + 1
  $('list').replaceChildren(...data.map(row))
  $('pages').hidden = cursors.length === 1 && next === null
  $('page').textContent = `${count(first + 1)} to ${count(first + data.length)}`
  $('previous').disabled = cursors.length === 1
  $('next').disabled = next === null
  for (const id of ['again', 'revalidate']) $(id).disabled = false
}

function fail(error) {
  $('list').replaceChildren()
  $('total').textContent = ''
  $('pages').hidden = true
  $('problem').textContent =
    error.status === 401
      ? 'Sign in to read this catalogue.'
      : `That did not work: ${error.message}.`
}

/** Type, year and episodes, as far as they are known. */
export const factsOf = ({ type, year, episodes }) =>
  [type, year, episodes === null ? null : plural(episodes, 'episode')].filter(Boolean).join(' · ')

function row(title) {
  const { id, score, genres } = title
  const open = element('button', { type: 'button', className: 'title' }, title.title)
  open.dataset.id = id
  const rating =
    score === null
      ? element(
          'span',
          { className: 'score none' },
          element('span', { className: 'unseen' }, 'no score'),
        )
      : element(
          'span',
          { className: 'score' },
          element('span', { className: 'unseen' }, 'score '),
          score.toFixed(2),
        )
  return element(
    'li',
    {},
    element(
      'div',
      {},
      open,
      element('p', {}, factsOf(title)),
      element('p', { className: 'genres' }, genres.join(', ')),
    ),
    rating,
  )
}

async function turn() {
  await show()
  $('titles').focus({ preventScroll: true })
  $('titles').scrollIntoView({ block: 'start' })
}

$('next').addEventListener('click', () => {
  cursors = [...cursors, nextCursor]
  return turn()
})
$('previous').addEventListener('click', () => {
  cursors = cursors.slice(0, -1)
  return turn()
})
$('again').addEventListener('click', () => again())
$('revalidate').addEventListener('click', () => again(true))
