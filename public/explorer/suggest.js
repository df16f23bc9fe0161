import { ask } from './api.js'
import { element } from './dom.js'

/** Milliseconds without a key pressed, after which suggestions are asked for. */
const pause = 120

/** Makes `input` a combobox whose `list` shows titles for what is typed; `onPick` takes one of them. */
export function suggest(input, list, onPick) {
  let active = -1
  let timer
  let asking = new AbortController()

  function close() {
    clearTimeout(timer)
    asking.abort()
    list.hidden = true
    activate(-1)
    input.setAttribute('aria-expanded', 'false')
  }

  function activate(index) {
    active = index
    for (const [at, option] of [...list.children].entries()) {
      option.setAttribute('aria-selected', String(at === index))
      if (at === index) option.scrollIntoView({ block: 'nearest' })
    }
    if (index < 0) input.removeAttribute('aria-activedescendant')
    else input.setAttribute('aria-activedescendant', list.children[index].id)
  }

  function show(titles) {
    const options = titles.map((title, index) => {
      const more = [title.type, title.year].filter(Boolean).join(' · ')
      const option = element(
        'div',
        { id: `suggestion-${index}`, role: 'option' },
        element('span', {}, title.title),
        element('small', {}, more),
      )
      option.addEventListener('click', () => pick(index))
      return option
    })
    list.replaceChildren(...options)
    list.hidden = options.length === 0
    input.setAttribute('aria-expanded', String(options.length > 0))
    activate(-1)
  }

  function pick(index) {
    input.value = list.children[index].firstChild.textContent
    close()
    onPick(input.value)
  }

  async function find() {
    asking.abort()
    asking = new AbortController()
    const { signal } = asking
    try {
      const path = `v1/animes/suggest?${new URLSearchParams({ q: input.value.trim() })}`
      const { value } = await ask(path, { quiet: true, signal })
      if (!signal.aborted && document.activeElement === input) show(value.data)
    } catch {
      // Without suggestions the search still works, and it says what is wrong.
      if (!signal.aborted) close()
    }
  }

  input.addEventListener('input', () => {
    clearTimeout(timer)
    if (input.value.trim() === '') close()
    else timer = setTimeout(find, pause)
  })
  input.addEventListener('blur', close)
  // The field keeps the focus when a suggestion is clicked.
  list.addEventListener('mousedown', (event) => event.preventDefault())
  input.addEventListener('keydown', (event) => {
    const last = list.children.length - 1
    if (list.hidden) return
    if (event.key === 'ArrowDown') activate(active === last ? -1 : active + 1)
    else if (event.key === 'ArrowUp') activate(active === -1 ? last : active - 1)
    else if (event.key === 'Escape') close()
    else if (event.key === 'Enter' && active >= 0) pick(active)
    else return
    event.preventDefault()
  })
  return { close }
}
