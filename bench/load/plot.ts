/* Charts as inline SVG: the report must open anywhere, without scripts or network. */

const size = { width: 420, height: 200, left: 58, right: 14, top: 12, bottom: 36 }
const inner = {
  width: size.width - size.left - size.right,
  height: size.height - size.top - size.bottom,
}

interface Line {
  name: string
  /** One of the classes `c1` to `c4`. */
  colour: string
  /** A NaN value leaves a gap. */
  points: { x: number; y: number }[]
}

export interface LinePlot {
  lines: Line[]
  xTitle: string
  /** Formats the labels of the y axis. */
  format: (value: number) => string
  top?: number
  /** Logarithmic y axis in decades, from the one below the smallest value. */
  logarithmic?: boolean
  /** Vertical marks with their labels. */
  marks?: { x: number; text: string }[]
}

export const escapeText = (text: string) =>
  text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

/** Lines over a linear x axis; the y axis is linear from zero, or logarithmic. */
export function linePlot(plot: LinePlot): string {
  const { lines, xTitle, format, marks = [] } = plot
  const xs = lines.flatMap(({ points }) => points.map(({ x }) => x))
  const [low, high] = [Math.min(...xs), Math.max(...xs)]
  const x = (value: number) => size.left + ((value - low) / (high - low || 1)) * inner.width
  const { ticks, share } = scaleOf(plot)
  const y = (value: number) => size.top + inner.height * (1 - share(value))
  const drawn = lines.map(({ colour, points }) => {
    const path = points
      .map((point, index) => {
        if (!Number.isFinite(point.y)) return ''
        const joined = index > 0 && Number.isFinite(points[index - 1]!.y)
        return `${joined ? 'L' : 'M'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`
      })
      .join('')
    const dots = points.length > 12 ? [] : points.filter((point) => Number.isFinite(point.y))
    return `<path class="line ${colour}" d="${path}"/>${dots
      .map((dot) => `<circle class="${colour}" cx="${x(dot.x)}" cy="${y(dot.y)}" r="3"/>`)
      .join('')}`
  })
  const markLines = marks.map(({ x: at, text }, index) => {
    const anchor = index === marks.length - 1 && marks.length > 1 && x(at) > size.width - 90
    return (
      `<line class="mark" x1="${x(at)}" x2="${x(at)}" y1="${size.top}" y2="${size.top + inner.height}"/>` +
      `<text x="${x(at)}" y="${size.height - 20}" text-anchor="${anchor ? 'end' : 'middle'}">${escapeText(text)}</text>`
    )
  })
  return (
    svg(
      yAxis(ticks, y, format) +
        markLines.join('') +
        drawn.join('') +
        `<text class="title" x="${size.left + inner.width / 2}" y="${size.height - 4}" text-anchor="middle">${escapeText(xTitle)}</text>`,
      size.height,
    ) + legend(lines)
  )
}

/** Bars in milliseconds on a logarithmic axis: `ours` and, if defined, `theirs`. */
export function barPlot(
  rows: { name: string; ours: number; theirs: number | undefined }[],
  format: (value: number) => string,
): string {
  const all = rows.flatMap(({ ours, theirs }) => (theirs === undefined ? [ours] : [ours, theirs]))
  const low = 10 ** Math.floor(Math.log10(Math.min(...all)))
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all)))
  const right = 60
  const width = 400
  const decades = Math.log10(high / low)
  const x = (value: number) => 1 + (Math.log10(value / low) / decades) * (width - right)
  const step = 56
  const height = rows.length * step + 24
  const grid = Array.from({ length: decades + 1 }, (_, index) => low * 10 ** index).map(
    (value) =>
      `<line class="grid" x1="${x(value)}" x2="${x(value)}" y1="0" y2="${height - 20}"/>` +
      `<text x="${x(value)}" y="${height - 5}" text-anchor="${value === low ? 'start' : 'middle'}">${format(value)}</text>`,
  )
  const bar = (value: number, y: number, colour: string) =>
    `<rect class="${colour}" x="1" y="${y}" width="${Math.max(2, x(value) - 1)}" height="14" rx="2"/>` +
    `<text class="value" x="${Math.max(3, x(value)) + 6}" y="${y + 11}">${format(value)}</text>`
  const bars = rows.map(({ name, ours, theirs }, index) => {
    const y = index * step + 12
    const label = `<text class="name" x="1" y="${y}">${escapeText(name)}</text>`
    return label + bar(ours, y + 6, 'c1') + (theirs === undefined ? '' : bar(theirs, y + 22, 'c4'))
  })
  const names = [
    { name: 'here', colour: 'c1' },
    { name: 'the original', colour: 'c4' },
  ]
  return svg(grid.join('') + bars.join(''), height, width) + legend(names)
}

const svg = (content: string, height: number, width = size.width) =>
  `<svg viewBox="0 0 ${width} ${height}" role="img">${content}</svg>`

const legend = (entries: { name: string; colour: string }[]) =>
  `<p class="legend">${entries
    .map(({ name, colour }) => `<span><i class="${colour}"></i>${escapeText(name)}</span>`)
    .join('')}</p>`

function yAxis(ticks: number[], y: (value: number) => number, format: (value: number) => string) {
  return ticks
    .map(
      (tick) =>
        `<line class="grid" x1="${size.left}" x2="${size.width - size.right}" y1="${y(tick)}" y2="${y(tick)}"/>` +
        `<text x="${size.left - 8}" y="${y(tick) + 4}" text-anchor="end">${format(tick)}</text>`,
    )
    .join('')
}

/** The ticks of the y axis, and the position of a value on it (0 to 1). */
function scaleOf({ lines, top, logarithmic = false }: LinePlot) {
  const ys = lines.flatMap(({ points }) => points.map(({ y }) => y)).filter(Number.isFinite)
  const highest = top ?? Math.max(...ys, 1e-9)
  if (!logarithmic) {
    const ticks = niceTicks(highest)
    return { ticks, share: (value: number) => value / ticks.at(-1)! }
  }
  const from = Math.floor(Math.log10(Math.min(highest, ...ys.filter((y) => y > 0))))
  const to = Math.max(from + 1, Math.ceil(Math.log10(highest)))
  return {
    ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
    share: (value: number) => Math.max(0, (Math.log10(value) - from) / (to - from)),
  }
}

/** Round ticks in four or five steps from zero to `top` or just above. */
function niceTicks(top: number): number[] {
  const rough = top / 4
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((n) => n * magnitude).find((n) => n >= rough * 0.999)!
  return Array.from({ length: Math.ceil((top / step) * 0.999) + 1 }, (_, index) => index * step)
}
