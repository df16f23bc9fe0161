import { ask } from './api.js'
import { $, count, element, plural } from './dom.js'
import { suggest } from './suggest.js'

const form = $('search')

/** What the form asks for; fields that are empty say nothing. */
export function parameters() {
  const filled = [...new FormData(form)].filter(([, value]) => value.trim() !== '')
  return new URLSearchParams(filled.map(([name, value]) => [name, value.trim()]))
}

/** Shows in the form what the page's address asks for, in all fields or those of some names. */
function fill(wanted, names) {
  for (const field of form.elements) {
    if (names !== undefined && !names.includes(field.name)) continue
    if (field.type === 'checkbox') field.checked = wanted.getAll('genre').includes(field.value)
    else if (field.name) field.value = wanted.get(field.name) ?? ''
  }
  sayGenres()
}

function sayGenres() {
  const chosen = new FormData(form).getAll('genre')
  $('genres-chosen').textContent = chosen.length === 0 ? 'any' : chosen.join(' and ')
}

/** Fills in the types and genres that there are. */
export async function loadChoices() {
  const [types, genres] = await Promise.all([ask('v1/types'), ask('v1/genres')])
  $('type').replaceChildren(
    new Option('Any', ''),
    ...types.value.data.map(({ name, count: n }) => new Option(`${name} (${count(n)})`, name)),
  )
  const boxes = genres.value.data.map(({ name, count: n }) =>
    element(
      'label',
      { title: plural(n, 'title') },
      element('input', { type: 'checkbox', name: 'genre', value: name }),
      element('span', {}, name),
    ),
  )
  $('genres').replaceChildren($('genres').firstElementChild, ...boxes)
  // The other fields may have been typed into meanwhile.
  fill(new URLSearchParams(location.search), ['type', 'genre'])
}

/** Calls `search` whenever the form asks for something else; the page's address follows. */
export function watch(search) {
  const changed = () => {
    const wanted = String(parameters())
    if (wanted !== location.search.slice(1))
      history.pushState(null, '', wanted ? `?${wanted}` : './')
    sayGenres()
    search()
  }
  const { close } = suggest($('q'), $('suggestions'), changed)
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    close()
    changed()
  })
  form.addEventListener('change', ({ target }) => {
    if (target !== $('q') && form.checkValidity()) changed()
  })
  form.addEventListener('reset', (event) => {
    event.preventDefault()
    fill(new URLSearchParams())
    changed()
  })
  addEventListener('popstate', () => {
    fill(new URLSearchParams(location.search))
    search()
  })
  fill(new URLSearchParams(location.search))
}
