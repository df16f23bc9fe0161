import { authorization, forget, signIn } from '../shared/session.js'
import { charts } from './charts.js'
import { between, share, short } from './numbers.js'

/** Milliseconds between two polls, and how many points are kept. */
const every = 1000
const kept = 300

const $ = (id) => document.getElementById(id)
const instances = new Map()
const polls = []
let dashboard

async function poll() {
  const response = await fetch(new URL('data', import.meta.url), {
    headers: await authorization(),
    cache: 'no-store',
    signal: AbortSignal.timeout(5000),
  })
  if (response.status === 401 || response.status === 403) {
    forget()
    const why = response.status === 403 ? 'this takes an administrator' : ''
    await askToSignIn(why)
    return poll()
  }
  if (!response.ok) throw new Error(`status ${response.status}`)
  return response.json()
}

async function askToSignIn(why) {
  $('dashboard').hidden = true
  $('sign-in').hidden = false
  $('refusal').textContent = why
  say('signed out', '')
  await new Promise((resolve) => {
    $('sign-in').onsubmit = async (event) => {
      event.preventDefault()
      try {
        await signIn(new FormData(event.target))
        event.target.reset()
        resolve()
      } catch (error) {
        $('refusal').textContent = error.message
      }
    }
  })
  $('sign-in').hidden = true
}

/** Files a snapshot under its instance: behind a load balancer each poll may reach another one. */
function file(snapshot) {
  const { instance } = snapshot
  const known = instances.get(instance)
  const history = known ?? { points: [], last: snapshot }
  if (known === undefined) {
    instances.set(instance, history)
    $('instance').add(new Option(instance, instance))
    $('instances').hidden = instances.size < 2
  } else {
    const point = between(history.last, snapshot)
    if (point === null) history.points.length = 0
    else history.points.push(point)
    if (history.points.length > kept) history.points.shift()
    history.last = snapshot
  }
}

function say(text, kind) {
  $('state').textContent = text
  $('state').className = kind
}

function sayState({ up, uptime, instance }) {
  const away = [!up.database && 'the database', up.redis === false && 'Redis'].filter(Boolean)
  const since = uptime < 120 ? `${Math.round(uptime)} s` : `${Math.round(uptime / 60)} min`
  if (away.length > 0) say(`degraded: ${away.join(' and ')} away`, 'warn')
  else say(`up for ${since} · ${instance}`, 'good')
}

function tiles({ points, last }) {
  const now = points.at(-1)
  const total = (name) => points.reduce((sum, point) => sum + point[name], 0)
  const answered = total('answered')
  const failures = total('failures')
  const reached = polls.filter(Boolean).length
  const { latency } = now
  const { hits, misses, bypasses, staleReads, entries, bytes } = last.cache
  const asked = hits + misses + bypasses
  return [
    ['Requests', short(now.requests), '/s', `${short(answered)} in 5 min`],
    [
      'Latency p95',
      short(latency.p95),
      latency.p95 === null ? '' : 'ms',
      latency.p99 === null ? 'no requests' : `p99 ${short(latency.p99)} ms`,
    ],
    [
      'Hit ratio',
      now.hitRatio === null ? '–' : share(now.hitRatio / 100),
      now.hitRatio === null ? '' : '%',
      asked === 0 ? 'not asked yet' : `${share(hits / asked)} % in all`,
    ],
    ['Failures', short(failures), '', '5xx in 5 min', failures > 0],
    [
      'Availability',
      short((100 * reached) / polls.length),
      '%',
      `of ${polls.length} polls`,
      reached < polls.length,
    ],
    ['Cached keys', short(entries), '', `${short(bytes / 2 ** 20)} MiB`],
    ['Stale reads', short(staleReads), '', 'must be 0', staleReads > 0],
    ['Loop delay', short(now.delay), 'ms', `${short(now.busy)} % busy`],
    ['Memory', short(now.rss), 'MiB', `CPU ${short(now.cpu)} %`],
  ]
}

function drawTiles(history) {
  const drawn = tiles(history).map(([name, value, unit, note, bad]) => {
    const tile = document.createElement('dl')
    tile.className = bad ? 'tile bad' : 'tile'
    tile.style.margin = '0'
    const title = document.createElement('dt')
    title.textContent = name
    const number = document.createElement('dd')
    const small = document.createElement('small')
    small.textContent = unit
    number.append(value, small)
    const more = document.createElement('dd')
    more.className = 'more'
    more.textContent = note
    tile.append(title, number, more)
    return tile
  })
  $('tiles').replaceChildren(...drawn)
}

function draw() {
  const history = instances.get($('instance').value)
  if (history === undefined || history.points.length === 0) return
  $('dashboard').hidden = false
  dashboard ??= charts($('charts'))
  drawTiles(history)
  dashboard.draw(history.points, kept)
}

async function run() {
  for (;;) {
    const started = performance.now()
    try {
      const snapshot = await poll()
      polls.push(true)
      file(snapshot)
      sayState(snapshot)
    } catch (error) {
      polls.push(false)
      say(`no answer (${error.message})`, 'bad')
    }
    if (polls.length > kept) polls.shift()
    draw()
    await new Promise((resolve) => setTimeout(resolve, every - (performance.now() - started)))
  }
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  $('charts').replaceChildren()
  dashboard = undefined
  draw()
})
$('instance').addEventListener('change', draw)
void run()
