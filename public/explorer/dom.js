export const $ = (id) => document.getElementById(id)

/** An element with properties or attributes, and children; text stays text. */
export function element(name, properties = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value
    else node.setAttribute(key, value)
  }
  node.append(...children.filter((child) => child !== null && child !== undefined))
  return node
}

export const count = (value) => value.toLocaleString('en')

/** `1 key`, `2 keys` */
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`

export function bytes(value) {
  if (value < 1024) return `${value} B`
  const [size, unit] = value < 2 ** 20 ? [value / 1024, 'KiB'] : [value / 2 ** 20, 'MiB']
  return `${size.toLocaleString('en', { maximumFractionDigits: 1 })} ${unit}`
}

export const milliseconds = (value) =>
  `${value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 })} ms`

export const seconds = (value) =>
  value < 120
    ? `${value} s`
    : value < 7200
      ? `${Math.round(value / 60)} min`
      : `${Math.round(value / 3600)} h`
