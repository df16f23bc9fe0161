import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { timed } from './bench.ts'

/*
 * Asks for a URL every 5 ms until its input ends, then writes the milliseconds of each answer. It is a process
 * of its own, so that it measures the service and not whoever sends the other requests.
 *
 *   hit-probe.ts URL
 */
const url = process.argv[2]!
const agent = new http.Agent({ keepAlive: true })
const ask = () =>
  new Promise<void>((resolve, reject) => {
    const sent = http.get(url, { agent }, (answer) => {
      answer.resume().once('end', resolve)
    })
    sent.once('error', reject)
  })

let running = true
process.stdin.resume().once('end', () => {
  running = false
})
for (let warm = 0; warm < 50; warm += 1) await ask()
console.log('asking')
const times: number[] = []
while (running) {
  times.push(await timed(ask))
  await sleep(5)
}
console.log(JSON.stringify(times))
agent.destroy()
