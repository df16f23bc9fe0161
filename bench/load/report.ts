import { cpus } from 'node:os'
import { percentile } from './fire.ts'
import type { Level } from './mixed.ts'
import { barPlot, escapeText, linePlot } from './plot.ts'
import { production, type Step } from './scenario.ts'

export interface Report {
  url: string
  startedAt: Date
  steps: Step[]
  results: Level[]
}

/** Formats milliseconds, from one second on in seconds. */
export function duration(milliseconds: number): string {
  if (Number.isNaN(milliseconds)) return ''
  if (milliseconds >= 1000) return `${Number((milliseconds / 1000).toPrecision(4))} s`
  return `${Number(milliseconds.toPrecision(2))} ms`
}

const whole = (value: number) => Math.round(value).toLocaleString('en')
const percent = (value: number) => `${Number(value.toFixed(1))} %`

/** The report as one self-contained HTML file. */
export function renderReport({ url, startedAt, steps, results }: Report): string {
  const [cpu] = cpus()
  const machine = `${cpus().length} × ${cpu?.model.trim()}, Node ${process.version}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load report</title>
<style>${style}</style>
</head>
<body>
<h1>Load report</h1>
<p class="faint">${escapeText(url)} · ${startedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC · client: ${escapeText(machine)}</p>
<section>
<h2>The original’s measurements</h2>
<p>One request at a time; the scale is logarithmic. The original’s figures were measured on other machines and over a network; in production a list took ${production[0]} s, and ${production[1]} s from its cache.</p>
${barPlot(
  steps.map(({ title, milliseconds, original }) => ({
    name: title,
    ours: milliseconds,
    theirs: original === undefined ? undefined : original * 1000,
  })),
  duration,
)}
${scenarioTable(steps)}
</section>
${results.length > 0 ? mixed(results) : ''}
</body>
</html>
`
}

function scenarioTable(steps: Step[]): string {
  const rows = steps.map(
    ({ title, request, milliseconds, answers, status, cache, original }) =>
      `<tr><td>${escapeText(title)}</td><td><code>${escapeText(request)}</code></td><td>${status}</td>` +
      `<td>${cache}</td><td>${duration(milliseconds)}${answers > 1 ? ` <small>median of ${answers}</small>` : ''}</td>` +
      `<td>${original === undefined ? '' : `${original} s`}</td>` +
      `<td>${original === undefined ? '' : `${whole((original * 1000) / milliseconds)} ×`}</td></tr>`,
  )
  return table(['step', 'request', 'status', 'cache', 'here', 'the original', 'faster'], rows)
}

function mixed(results: Level[]): string {
  const line = (name: string, colour: string, of: (level: Level) => number) => ({
    name,
    colour,
    points: results.map((level, index) => ({ x: index, y: of(level) })),
  })
  const marks = results.map(({ connections }, index) => ({ x: index, text: String(connections) }))
  const stopped = results.at(-1)?.stopped ? '<p class="bad">Stopped: too many failures.</p>' : ''
  return `<section>
<h2>Mixed load</h2>
<p>Pages, titles, counts, some requests that never repeat, and one write per second if there was an admin.</p>
${stopped}
<div class="plots">
<figure><h3>Latency by connections</h3>${linePlot({
    lines: [
      line('p50', 'c1', ({ p50 }) => p50),
      line('p95', 'c2', ({ p95 }) => p95),
      line('p99', 'c3', ({ p99 }) => p99),
    ],
    xTitle: 'connections',
    format: duration,
    logarithmic: true,
    marks,
  })}</figure>
<figure><h3>Throughput by connections</h3>${linePlot({
    lines: [line('requests a second', 'c1', ({ rate }) => rate)],
    xTitle: 'connections',
    format: whole,
    marks,
  })}</figure>
${overTime(results)}
</div>
${levelTable(results)}
</section>`
}

function overTime(results: Level[]): string {
  let offset = 0
  const marks: { x: number; text: string }[] = []
  const seconds = results.flatMap((level) => {
    const levelStart = offset
    marks.push({ x: levelStart, text: `${level.connections}` })
    // The last second of a level is incomplete and would look like a drop.
    const whole = level.seconds.filter(({ at }) => at + 1 <= level.elapsed)
    offset += whole.length
    return whole.map((second, index) => ({ ...second, x: levelStart + index }))
  })
  if (seconds.length < 2) return ''
  const xTitle = 'time; marks: connections of each level'
  const sorted = seconds.map(({ x, times }) => ({ x, times: times.toSorted((a, b) => a - b) }))
  const latency = (share: number) =>
    sorted.map(({ x, times }) => ({ x, y: percentile(times, share) }))
  return `<figure><h3>Throughput over time</h3>${linePlot({
    lines: [
      {
        name: 'answers a second',
        colour: 'c1',
        points: seconds.map(({ x, answers }) => ({ x, y: answers })),
      },
    ],
    xTitle,
    format: whole,
    marks,
  })}</figure>
<figure><h3>Failures over time</h3>${linePlot({
    lines: [
      {
        name: 'failures a second',
        colour: 'c3',
        points: seconds.map(({ x, failures }) => ({ x, y: failures })),
      },
    ],
    xTitle,
    format: whole,
    top: Math.max(4, ...seconds.map(({ failures }) => failures)),
    marks,
  })}</figure>
<figure><h3>Hit ratio over time</h3>${linePlot({
    lines: [
      {
        name: 'hits',
        colour: 'c1',
        points: seconds.map(({ x, hits, withCacheStatus }) => ({
          x,
          y: (100 * hits) / withCacheStatus,
        })),
      },
    ],
    xTitle,
    format: percent,
    top: 100,
    marks,
  })}</figure>
<figure><h3>Latency over time</h3>${linePlot({
    lines: [
      { name: 'p50', colour: 'c1', points: latency(0.5) },
      { name: 'p95', colour: 'c2', points: latency(0.95) },
      { name: 'p99', colour: 'c3', points: latency(0.99) },
    ],
    xTitle,
    format: duration,
    logarithmic: true,
    marks,
  })}</figure>`
}

function levelTable(results: Level[]): string {
  const rows = results.map(
    ({ connections, answers, rate, p50, p95, p99, hitRatio, failures, statuses }) =>
      `<tr><td>${connections}</td><td>${whole(answers)}</td><td>${whole(rate)}</td><td>${duration(p50)}</td>` +
      `<td>${duration(p95)}</td><td>${duration(p99)}</td><td>${Number.isNaN(hitRatio) ? '' : percent(100 * hitRatio)}</td>` +
      `<td>${failures}</td><td>${[...statuses].map(([status, count]) => `${status}: ${whole(count)}`).join(', ')}</td></tr>`,
  )
  return table(
    ['connections', 'answers', 'a second', 'p50', 'p95', 'p99', 'hits', 'failures', 'statuses'],
    rows,
  )
}

const table = (heads: string[], rows: string[]) =>
  `<div class="scroll"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`

const style = `
:root{color-scheme:light dark;--ground:light-dark(#f5f6f8,#14161a);--panel:light-dark(#fff,#1d2026);--ink:light-dark(#1b1f27,#e7e9ee);--faint:light-dark(#626a78,#9aa2b1);--line:light-dark(#e2e5ea,#2d323b);--c1:light-dark(#00805c,#2fd0a5);--c2:light-dark(#0072b2,#56b4e9);--c3:light-dark(#c2410c,#fb9a4b);--c4:light-dark(#a3a9b5,#6c7482)}
*{box-sizing:border-box}
body{max-width:1220px;margin:0 auto;padding:20px;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
h1{margin:0;font-size:1.4rem}h2{margin:0;font-size:1.1rem}h3{margin:0 0 6px;font-size:.95rem}
.faint,small,.legend{color:var(--faint)}.bad{color:var(--c3);font-weight:600}
section{margin:16px 0;padding:16px;border:1px solid var(--line);border-radius:10px;background:var(--panel)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:18px;margin:12px 0}
figure{margin:0;min-width:0}svg{display:block;width:100%;max-width:520px;height:auto}
text{fill:var(--faint);font:11px system-ui,sans-serif}text.name{fill:var(--ink);font-size:12.5px}@media(max-width:600px){text{font-size:12.5px}text.name{font-size:14px}}text.value{fill:var(--ink)}
.grid{stroke:var(--line)}.mark{stroke:var(--line);stroke-dasharray:3 3}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
path.c1{stroke:var(--c1)}path.c2{stroke:var(--c2)}path.c3{stroke:var(--c3)}path.c4{stroke:var(--c4)}
circle.c1,rect.c1{fill:var(--c1)}circle.c2{fill:var(--c2)}circle.c3{fill:var(--c3)}circle.c4,rect.c4{fill:var(--c4)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:4px 0 0;font-size:.85rem}
.legend i{display:inline-block;width:10px;height:10px;margin-right:6px;border-radius:3px}
i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}i.c4{background:var(--c4)}
.scroll{overflow-x:auto;margin-top:12px}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}th{color:var(--faint);font-weight:500}`
