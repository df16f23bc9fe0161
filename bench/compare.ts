import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { type BenchOptions, median } from './bench.ts'
import { findLoad } from './load.ts'
import { processorTime, type Started, start } from './processes.ts'

export interface Contender {
  name: string
  base: string
  /** Its process, to tell what a request costs. */
  child?: ChildProcess
}

export interface Outcome {
  /** Requests a second, the median over the rounds. */
  rates: Map<string, number>
  /**
   * How fast the first contender is against another: the median of the rounds' ratios. Contenders of
   * one name, as many of each, count as one.
   */
  ratio: (to: string) => number
  /** Microseconds of processor that a request takes, the median over the rounds. */
  processor: Map<string, number>
}

/**
 * Loads every contender in turn, round after round, in changing order, so that what else the machine
 * does hits all alike. Before it, each is loaded for `warmUp` whole seconds, by turns
 * too, so that none idles long before its first round.
 */
export async function compare(
  contenders: Contender[],
  {
    path,
    headers = {},
    warmUp = 1,
    connections,
  }: { path: string; headers?: Record<string, string>; warmUp?: number; connections?: number },
  { seconds, rounds, say }: BenchOptions,
): Promise<Outcome> {
  const { load } = await findLoad()
  const measured = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  const used = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  const inTurn = (round: number) =>
    contenders.map((_, turn) => contenders[(round + turn) % contenders.length]!)
  for (let warm = 0; warm < warmUp; warm += 1) {
    for (const { base } of inTurn(warm)) await load(base + path, headers, 1, connections)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, base, child } of inTurn(round)) {
      const before = child === undefined ? 0 : processorTime(child)
      const rate = await load(base + path, headers, seconds, connections)
      measured.get(name)!.push(rate)
      if (child !== undefined) {
        used.get(name)!.push((processorTime(child) - before) / (rate * seconds))
      }
      say(`round ${round + 1} of ${rounds}: ${name} ${Math.round(rate).toLocaleString('en')}/s`)
    }
  }
  const ours = measured.get(contenders[0]!.name)!
  return {
    rates: new Map([...measured].map(([name, rates]) => [name, median(rates)])),
    processor: new Map([...used].map(([name, times]) => [name, median(times)])),
    ratio: (to) => median(measured.get(to)!.map((rate, round) => ours[round]! / rate)),
  }
}

/** Processor time a request, ours and another's: what another load of the machine changes least. */
export function times(processor: Map<string, number>, other: string): string {
  const [ours, theirs] = [processor.get('service')!, processor.get(other)!]
  return `${ours.toFixed(1)} / ${theirs.toFixed(1)} us`
}

/** Fields that Node adds by itself, or that belong to one connection. */
const ofConnection = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding'])

/** Bare servers of the given kinds that send what the service answers, byte for byte. */
export async function startBare(
  service: Pick<Started, 'base'>,
  kinds: ('http' | 'fastify' | 'fastify-body')[],
  folder: string,
  { path, headers = {} }: { path: string; headers?: Record<string, string> },
): Promise<{ contenders: Contender[]; bytes: number; stop: () => Promise<void> }> {
  const answer = await read(service.base + path, headers)
  if (!/; hit;/.test(String(answer.headers['cache-status']))) throw new Error('not a hit')
  const kept = Object.entries(answer.headers).filter(([name]) => !ofConnection.has(name))
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

/** Reads an answer as it is on the wire, until it is a hit. */
async function read(url: string, headers: Record<string, string>) {
  const once = async () => {
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      request(url, { headers, agent: false }, resolve).on('error', reject).end()
    })
    return { headers: response.headers, body: await buffer(response) }
  }
  await once()
  return once()
}
