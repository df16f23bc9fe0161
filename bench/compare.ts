import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { type BenchOptions, median } from './bench.ts'
import { findLoadTool } from './load.ts'
import { processorTime, type Started, start } from './processes.ts'

export interface Contender {
  name: string
  base: string
  /** Its process, for the processor time per request. */
  child?: ChildProcess
}

export interface Comparison {
  /** Requests per second, the median over the rounds. */
  rates: Map<string, number>
  /**
   * Rate of the first contender divided by that of another: the median of the ratios per round. Several
   * contenders may share a name, the same number for each name; they count as one.
   */
  ratio: (to: string) => number
  /** Microseconds of processor time per request, the median over the rounds. */
  processor: Map<string, number>
}

/**
 * Loads the contenders one after the other in each round. The order rotates, so that other load on the
 * machine affects all of them alike. Before that each is loaded for `warmUp` seconds, also in rotation, so
 * that none is idle for long before its first round.
 */
export async function compare(
  contenders: Contender[],
  {
    path,
    headers = {},
    warmUp = 1,
    connections,
  }: { path: string; headers?: Record<string, string>; warmUp?: number; connections?: number },
  { seconds, rounds, log }: BenchOptions,
): Promise<Comparison> {
  const { load } = await findLoadTool()
  const measured = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  const processorTimes = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  const rotated = (round: number) =>
    contenders.map((_, turn) => contenders[(round + turn) % contenders.length]!)
  for (let warm = 0; warm < warmUp; warm += 1) {
    for (const { base } of rotated(warm)) await load(base + path, headers, 1, connections)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, base, child } of rotated(round)) {
      const before = child === undefined ? 0 : processorTime(child)
      const rate = await load(base + path, headers, seconds, connections)
      measured.get(name)!.push(rate)
      if (child !== undefined) {
        processorTimes.get(name)!.push((processorTime(child) - before) / (rate * seconds))
      }
      log(`round ${round + 1} of ${rounds}: ${name} ${Math.round(rate).toLocaleString('en')}/s`)
    }
  }
  const ours = measured.get(contenders[0]!.name)!
  return {
    rates: new Map([...measured].map(([name, rates]) => [name, median(rates)])),
    processor: new Map([...processorTimes].map(([name, times]) => [name, median(times)])),
    ratio: (to) => median(measured.get(to)!.map((rate, round) => ours[round]! / rate)),
  }
}

/** Processor time per request, the service's and another's. Other load changes it less than the rate. */
export function formatProcessorTimes(processor: Map<string, number>, other: string): string {
  const [service, compared] = [processor.get('service')!, processor.get(other)!]
  return `${service.toFixed(1)} / ${compared.toFixed(1)} us`
}

/** Headers that Node adds itself or that concern one connection. */
const perConnection = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding'])

/** Starts bare servers of the given kinds that send the service's answer byte for byte. */
export async function startBare(
  service: Pick<Started, 'base'>,
  kinds: ('http' | 'fastify' | 'fastify-body')[],
  folder: string,
  { path, headers = {} }: { path: string; headers?: Record<string, string> },
): Promise<{ contenders: Contender[]; bytes: number; stop: () => Promise<void> }> {
  const answer = await readSecond(service.base + path, headers)
  if (!/; hit;/.test(String(answer.headers['cache-status']))) throw new Error('not a hit')
  const kept = Object.entries(answer.headers).filter(([name]) => !perConnection.has(name))
  const file = join(folder, `answer-${Date.now()}`)
  writeFileSync(`${file}.json`, JSON.stringify(Object.fromEntries(kept)))
  writeFileSync(`${file}.body`, answer.body)
  const started = await Promise.all(
    kinds.map((kind) => start('bench/bare.ts', [kind, file], { folder, path })),
  )
  return {
    bytes: answer.body.length,
    contenders: kinds.map((name, index) => ({ name, ...started[index]! })),
    stop: async () => {
      await Promise.all(started.map(({ stop }) => stop()))
    },
  }
}

/** Requests `url` twice and returns the second answer, which is a cache hit, undecoded. */
async function readSecond(url: string, headers: Record<string, string>) {
  const once = async () => {
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      request(url, { headers, agent: false }, resolve).on('error', reject).end()
    })
    return { headers: response.headers, body: await buffer(response) }
  }
  await once()
  return once()
}
