import { account } from '../shared/session.js'
import { ask } from './api.js'
import { $, element } from './dom.js'
import { refresh, watchKeys } from './keys.js'
import { receipt } from './receipt.js'
import { factsOf } from './titles.js'

const dialog = $('title-dialog')
const form = $('title-form')
const numbers = ['year', 'score', 'episodes']

/** The title that the dialog shows, and its ETag; undefined for a new one. */
let shown

const isAdmin = () => account()?.role === 'admin'

/** Opens the dialog on one title: for admins to change, for others to read. */
export async function openTitle(id) {
  try {
    const answer = await ask(`v1/animes/${id}`)
    shown = { anime: answer.value, etag: answer.etag }
    $('title-receipt').replaceChildren(...receipt(answer).filter(Boolean))
    open(answer.value.title, answer.value)
    await refresh()
  } catch (error) {
    $('problem').textContent = `That did not work: ${error.message}.`
  }
}

/** Opens the dialog for a title that is not there yet. */
export function newTitle() {
  shown = undefined
  $('title-receipt').replaceChildren()
  open('Add a title', {
    title: '',
    type: 'TV',
    year: null,
    score: null,
    episodes: null,
    genres: [],
  })
}

function open(heading, anime) {
  $('title-heading').textContent = heading
  $('title-refusal').textContent = ''
  form.hidden = !isAdmin()
  $('save').hidden = !isAdmin()
  $('facts').hidden = isAdmin()
  for (const name of ['title', 'type', ...numbers]) form.elements[name].value = anime[name] ?? ''
  form.elements.genres.value = anime.genres.join(', ')
  $('facts').replaceChildren(
    ...[
      ['Id', anime.id],
      ['What', factsOf(anime)],
      ['Score', anime.score ?? 'none'],
      ['Genres', anime.genres.join(', ') || 'none'],
    ].flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, String(value))]),
  )
  dialog.showModal()
  if (isAdmin()) form.elements.title.focus()
}

/** What the form says, in the service's types; an empty field is an unknown value. */
function filled() {
  const { title, type, genres } = Object.fromEntries(new FormData(form))
  const names = genres.split(',').map((name) => name.trim())
  const number = ({ value }) => (value === '' ? null : Number(value))
  return {
    title: title.trim(),
    type,
    ...Object.fromEntries(numbers.map((name) => [name, number(form.elements[name])])),
    genres: [...new Set(names.filter((name) => name !== ''))],
  }
}

function changesOf({ anime }) {
  // Genres as they stand in the form: one may have a comma of its own.
  const same = (name, value) =>
    name === 'genres'
      ? form.elements.genres.value === anime.genres.join(', ')
      : anime[name] === value
  return Object.fromEntries(Object.entries(filled()).filter(([name, value]) => !same(name, value)))
}

function add() {
  const work = () => ask('v1/animes', { method: 'POST', body: filled() })
  return watchKeys(work, ({ value }) => done(`Added “${value.title}” as ${value.id}.`))
}

function change() {
  const { anime, etag } = shown
  const body = changesOf(shown)
  if (Object.keys(body).length === 0) throw new Error('nothing is different')
  const headers = { 'if-match': etag }
  const work = () => ask(`v1/animes/${anime.id}`, { method: 'PATCH', body, headers })
  return watchKeys(work, ({ value }) => done(`Changed “${value.title}” (${value.id}).`))
}

/** Closes the dialog first: a screen reader does not announce what changes behind it. */
function done(sentence) {
  dialog.close()
  $('outdated').hidden = false
  $('keys-heading').focus()
  return sentence
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  $('save').disabled = true
  try {
    await (shown === undefined ? add() : change())
  } catch (error) {
    $('title-refusal').textContent = `That did not work: ${error.message}.`
  } finally {
    $('save').disabled = false
  }
})
$('title-close').addEventListener('click', () => dialog.close())
$('title-type').append(
  ...['TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'MUSIC', 'UNKNOWN'].map((type) => new Option(type)),
)
