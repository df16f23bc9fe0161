import { $, bytes, element, milliseconds, seconds } from './dom.js'

/** How many requests the list of the last ones shows. */
const shown = 8

const badge = ({ kind, label }) => element('strong', { className: `badge ${kind}` }, label)

function sizes({ status, wire, coding, decoded }) {
  if (status === 304) return ['no body', 'nothing to send']
  const whole = bytes(decoded)
  if (wire === null || coding === null) return [whole, 'sent as it is']
  return [bytes(wire), `${coding}, ${whole} decoded`]
}

/** How an answer came: what the cache did, time, status, sizes, key. */
export function receipt(exchange) {
  const { status, ms, cache, words } = exchange
  const [size, coded] = sizes(exchange)
  const figure = (name, value, more) =>
    element(
      'div',
      {},
      element('dt', {}, name),
      element('dd', {}, value, more && element('small', {}, more)),
    )
  return [
    element('p', { className: 'what' }, badge(exchange), ' ', words),
    element(
      'dl',
      { className: 'figures' },
      figure('Time', milliseconds(ms)),
      figure('Status', String(status)),
      figure('On the wire', size, coded),
      cache?.ttl === undefined ? null : figure('Kept for', seconds(Number(cache.ttl))),
    ),
    cache?.key === undefined
      ? null
      : element('p', { className: 'key' }, 'Key ', element('code', {}, cache.key)),
  ]
}

/** Puts a request on top of the list of the last ones. */
export function note(exchange) {
  const { method, path, ms, status } = exchange
  const url = `/${decodeURIComponent(path)}`
  const [size] = sizes(exchange)
  const line = element(
    'li',
    {},
    badge(exchange),
    element('code', { title: url }, method === 'GET' ? url : `${method} ${url}`),
    element('small', {}, `${status} · ${milliseconds(ms)} · ${size}`),
  )
  $('history').prepend(line)
  while ($('history').children.length > shown) $('history').lastChild.remove()
}
