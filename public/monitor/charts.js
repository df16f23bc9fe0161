import { short } from './numbers.js'
import uPlot from './uplot.js'

/** Colours that stay apart for the colour-blind (Okabe and Ito), for a light and a dark ground. */
const palette = {
  blue: ['#0072b2', '#56b4e9'],
  green: ['#00805c', '#2fd0a5'],
  orange: ['#c2410c', '#fb9a4b'],
  purple: ['#a6488a', '#e39bcb'],
  grey: ['#6b7280', '#9ca3af'],
}

const milliseconds = (value) => (value === null ? '–' : `${short(value)} ms`)
const percent = (value) => (value === null ? '–' : `${short(value)} %`)
const perSecond = (value) => (value === null ? '–' : `${short(value)}/s`)
const mebibytes = (value) => (value === null ? '–' : `${short(value)} MiB`)
const latencyOf = (of) => [
  ['p50', 'green', (point) => point[of].p50],
  ['p95', 'blue', (point) => point[of].p95],
  ['p99', 'orange', (point) => point[of].p99],
]

const linear = { range: (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1] }

/** Whole decades: a median of a third of a millisecond shows beside a p99 of a second. */
const logarithmic = {
  distr: 3,
  range: (_plot, low, high) =>
    high > 0
      ? [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.01))]
      : [0.1, 10],
  splits: (_plot, _axis, low, high) =>
    Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, index) => low * 10 ** index),
}

const wanted = [
  {
    title: 'Requests',
    note: 'a second, by what the cache did',
    unit: perSecond,
    series: [
      ['hits', 'green', (point) => point.hits],
      ['misses, bypasses', 'orange', (point) => point.misses],
      ['not cached', 'grey', (point) => point.others],
    ],
  },
  {
    title: 'Hit ratio',
    note: 'hits among what the cache was asked',
    unit: percent,
    scale: { range: [0, 100] },
    series: [['hit ratio', 'green', (point) => point.hitRatio]],
  },
  {
    title: 'Latency of hits',
    note: 'milliseconds within the service',
    unit: milliseconds,
    scale: logarithmic,
    series: latencyOf('hitLatency'),
  },
  {
    title: 'Latency of the rest',
    note: 'milliseconds; misses, bypasses, not cached',
    unit: milliseconds,
    scale: logarithmic,
    series: latencyOf('missLatency'),
  },
  {
    title: 'Failures',
    note: 'a second; refused is the caller’s mistake',
    unit: perSecond,
    series: [
      ['failed (5xx)', 'orange', (point) => point.failed],
      ['refused (4xx)', 'grey', (point) => point.refused],
    ],
  },
  {
    title: 'Event loop',
    note: 'delay in milliseconds, p99 of each second',
    unit: milliseconds,
    series: [['delay', 'purple', (point) => point.delay]],
  },
  {
    title: 'Processor',
    note: 'of one core, and of the event loop’s time',
    unit: percent,
    series: [
      ['processor', 'blue', (point) => point.cpu],
      ['event loop', 'purple', (point) => point.busy],
    ],
  },
  {
    title: 'Memory',
    note: 'resident, and what the cache holds',
    unit: mebibytes,
    series: [
      ['resident', 'blue', (point) => point.rss],
      ['cache', 'green', (point) => point.cacheMiB],
    ],
  },
]

/** What the padding of a chart leaves. */
const widthIn = (box) => box.clientWidth - 26

/** Puts the charts into `parent`; `draw` gives them new points. */
export function charts(parent) {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  const style = getComputedStyle(document.body)
  const faint = dark ? '#9aa2b1' : '#626a78'
  const line = dark ? '#2d323b' : '#e8eaee'
  const font = `11px ${style.fontFamily}`
  const drawn = wanted.map(({ title, note, unit, scale = linear, series }) => {
    const box = document.createElement('figure')
    box.className = 'chart'
    box.style.margin = '0'
    const caption = document.createElement('figcaption')
    const heading = document.createElement('h2')
    heading.textContent = title
    const text = document.createElement('p')
    text.textContent = note
    caption.append(heading, text)
    box.append(caption)
    parent.append(box)
    const axis = { stroke: faint, font, grid: { stroke: line, width: 1 }, ticks: { show: false } }
    const plot = new uPlot(
      {
        width: widthIn(box),
        height: 180,
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'monitor' } },
        padding: [10, 26, 0, 0],
        scales: { y: scale },
        axes: [
          { ...axis, size: 26, space: 70, values: (_plot, times) => times.map(clock) },
          {
            ...axis,
            size: 46,
            space: 34,
            values: (_plot, values) => values.map(short),
            splits: scale.splits,
          },
        ],
        series: [
          {},
          ...series.map(([label, colour]) => ({
            label,
            stroke: palette[colour][dark ? 1 : 0],
            width: 1.75,
            fill: series.length === 1 ? `${palette[colour][dark ? 1 : 0]}22` : undefined,
            spanGaps: false,
            points: { show: false },
            value: (_plot, value) => unit(value ?? null),
          })),
        ],
      },
      [[], ...series.map(() => [])],
      box,
    )
    new ResizeObserver(() => plot.setSize({ width: widthIn(box), height: 180 })).observe(box)
    return { box, plot, series }
  })

  function draw(points, kept) {
    const times = points.map(({ time }) => time)
    for (const { box, plot, series } of drawn) {
      const values = series.map(([, , value]) => points.map(value))
      box.classList.toggle(
        'empty',
        values.flat().every((value) => value === null),
      )
      plot.setData([times, ...values], false)
      const last = times.at(-1)
      const span = Math.max(60, Math.min(kept, last - times[0]))
      plot.batch(() => {
        plot.setScale('x', { min: last - span, max: last })
      })
      // Without a pointer over the chart the legend shows the last values.
      if (plot.cursor.idx === null || plot.cursor.left < 0) {
        plot.setLegend({ idx: times.length - 1 })
      }
    }
  }

  return { draw }
}

const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8)
