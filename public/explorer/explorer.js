import { account, signIn, signOut } from '../shared/session.js'
import { events } from './api.js'
import { $ } from './dom.js'
import { newTitle, openTitle } from './editor.js'
import { refresh } from './keys.js'
import { note } from './receipt.js'
import { loadChoices, watch } from './search.js'
import { search } from './titles.js'

const dialog = $('sign-in')
const form = dialog.querySelector('form')
const refusal = form.querySelector('.refusal')

/** Asks for all that the page shows, as the account that is signed in. */
async function load() {
  const choices = loadChoices().catch(() => undefined)
  // An address may ask for a type or a genre, which the form cannot say before it has them.
  if (location.search !== '') await choices
  await Promise.all([showAccount(), choices, search()])
}

function showAccount() {
  const user = account()
  $('who').textContent = user === undefined ? '' : `${user.email} (${user.role})`
  $('who').hidden = user === undefined
  $('sign-out').hidden = user === undefined
  $('sign-in-open').hidden = user !== undefined
  $('add').hidden = user?.role !== 'admin'
  return refresh()
}

function openSignIn() {
  refusal.textContent = ''
  if (!dialog.open) dialog.showModal()
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  try {
    await signIn(new FormData(form))
    form.reset()
    dialog.close()
    await load()
  } catch (error) {
    refusal.textContent = `That did not work: ${error.message}.`
  }
})
form.querySelector('[value=cancel]').addEventListener('click', () => dialog.close())
$('sign-in-open').addEventListener('click', openSignIn)
$('sign-out').addEventListener('click', async () => {
  await signOut()
  await load()
  $('sign-in-open').focus()
})

$('add').addEventListener('click', newTitle)
$('list').addEventListener('click', ({ target }) => {
  const { id } = target.closest('button')?.dataset ?? {}
  return id === undefined ? undefined : openTitle(id)
})
let due
events.addEventListener('exchange', ({ detail }) => {
  note(detail)
  // Several requests at once ask for the keys once. A write asks by itself.
  clearTimeout(due)
  if (detail.method === 'GET') due = setTimeout(refresh, 100)
})
events.addEventListener('refused', async () => {
  await showAccount()
  openSignIn()
})

watch(search)
await load()
