import { Redis } from 'ioredis'
import t from 'tap'
import { scripts } from '../../plugins/cache/scripts.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { LuaError } from './lua-library.ts'
import { createRandom, type Random } from './random.ts'
import { createCommands, type Keyspace } from './redis-data.ts'
import { evaluate } from './redis-scripts.ts'

/** A command, or a script by its name, with its arguments. */
interface Call {
  script?: keyof typeof scripts
  name: string
  given: string[]
}

const clock = '{t}:@clock'
const tags = ['genre:Action', 'genre:Sci-Fi', 'type:TV', 'type:ÓVA', 'year:2020', 'a"b\\c%-d']
/** Milliseconds of a TTL or lease that has ended before the next command; no other argument is like it. */
const brief = '7'
const times = [brief, '-1', '0', '3600000', '7200000', '5x', '1.5', '']
const scores = ['1', '2', '2.5', '-3', '1e3', '0.1', '17', '1764160000123', 'inf', 'x']
const bounds = [...scores, '(2', '(17', '-inf', '+inf', '(1']
const plain = ['string', 'hash', 'zset', 'other'].map((name) => `{t}:${name}`)
const inner = ['@clock', '@journal', '@marks', '@server', '@quiet', '@c:', '@k:', 'one', 'two']

function someTags(random: Random): string[] {
  return tags.filter(() => random.chance(0.4)).sort()
}

function randomCommand(random: Random): Call {
  const key = random.pick(random.chance(0.85) ? plain : inner.map((name) => `{t}:${name}`))
  const member = () => random.pick(['a', 'b', 'c', 'ü', ' '])
  const [score, time] = [() => random.pick(scores), random.pick(times)]
  const bound = () => random.pick(bounds)
  const rank = () => random.pick(['0', '1', '-1', '-2', '5', '-9', 'x'])
  const choices: [string, string[]][] = [
    ['GET', [key]],
    ['SET', [key, member()]],
    ['SET', [key, member(), 'PX', time]],
    ['DEL', [key, random.pick(plain)]],
    ['UNLINK', [key]],
    ['EXISTS', [key, random.pick(plain)]],
    ['TYPE', [key]],
    ['HSET', [key, member(), member(), member(), member()]],
    ['HGET', [key, member()]],
    ['HMGET', [key, member(), member()]],
    ['HGETALL', [key]],
    ['HDEL', [key, member(), member()]],
    ['HSTRLEN', [key, member()]],
    ['ZADD', [key, score(), member()]],
    ['ZADD', [key, 'GT', score(), member()]],
    ['ZRANGE', [key, rank(), rank()]],
    ['ZRANGEBYSCORE', [key, bound(), bound()]],
    ['ZRANGEBYSCORE', [key, bound(), bound(), 'LIMIT', rank(), rank()]],
    ['ZREM', [key, member(), member()]],
    ['ZREMRANGEBYRANK', [key, rank(), rank()]],
    ['ZREMRANGEBYSCORE', [key, bound(), bound()]],
    ['ZSCORE', [key, member()]],
    ['PEXPIRE', [key, time]],
    ['PEXPIRE', [key, time, random.pick(['NX', 'GT'])]],
    ['PTTL', [key]],
  ]
  const [name, given] = random.chance(0.01) ? (['FLUSHALL', []] as const) : random.pick(choices)
  return { name, given: [...given] }
}

/** The scripts with arguments as the journal gives them, and some as it does not. */
function randomScript(random: Random, at: { position: number; token: string }): Call {
  const key = random.pick(['one', 'two', 'three'])
  const change = random.chance(0.1)
    ? random.pick(['*', '{"key":"one"}', '[]', 'broken', '[[]]'])
    : JSON.stringify([someTags(random), someTags(random)])
  const mark = random.pick(['m1', 'm2', 'm3', ''])
  const list = JSON.stringify(someTags(random))
  const meta = random.chance(0.9)
    ? `{"tags":${list},"n":null}`
    : random.pick(['{}', 'x', '{"tags":1}'])
  const position = random.chance(0.8) ? at.position : random.below(10)
  const token = random.chance(0.8) ? at.token : 'another'
  const body = random.pick(['body', '\u0000ÿ\u0080', ''])
  const epoch = random.chance(0.95) ? 'E' : 'F'
  const given: Record<keyof typeof scripts, (string | number)[]> = {
    attach: [
      'E',
      random.pick(['own', 'own', 'own', 'new']),
      brief,
      random.chance(0.05) ? 'reset' : '',
    ],
    entriesSince: [epoch, position, token],
    mark: [mark, change, random.pick(['10000', brief]), `t${random.below(1000)}`],
    isMarked: [mark],
    finish: [mark, change, `t${random.below(1000)}`],
    deleteTouched: [change],
    store: [key, list, epoch, position, token, random.pick([3_600_000, 60_000]), meta, body],
    load: [key],
    list: [random.pick([1, 10])],
    server: [],
    probe: [],
  }
  const script = random.pick(Object.keys(given) as (keyof typeof scripts)[])
  return { script, name: script, given: given[script].map(String) }
}

const bytes = (text: string) => Buffer.from(text, 'latin1')

/** The same for both: bytes as latin1, an error as its first words, a long TTL within a minute. */
function normal(reply: unknown, name: string): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  if (Array.isArray(reply)) {
    const all = reply.map((each) => normal(each, name))
    return name === 'HGETALL' ? all.sort() : all
  }
  if (reply instanceof Error) {
    const inScript = /user_script/.test(reply.message)
    return `error ${/^[A-Z]+/.exec(reply.message)?.[0]}${inScript ? ' in a script' : ''}`
  }
  if (typeof reply === 'number' && reply > 50_000 && /PTTL|load|list/.test(name)) {
    return `about ${Math.round(reply / 60_000)} min`
  }
  return typeof reply === 'object' && reply !== null ? (reply as { ok: string }).ok : reply
}

/** Until the clock of this machine, and so of its Redis, is past a moment. */
async function passed(moment: number): Promise<void> {
  await until('the moment has passed', () => Date.now() > moment)
}

t.test('random commands and scripts have the same replies as on a real Redis', async (t) => {
  const redis = await startRedis(t)
  const client = new Redis(redis.port, '127.0.0.1')
  t.teardown(() => client.disconnect())
  const info = {
    server: String(await client.info('server')),
    replication: String(await client.info('replication')),
  }
  let compared = 0
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = createRandom(seed)
    const keyspace: Keyspace = new Map()
    let now = 0
    const run = createCommands(
      () => keyspace,
      () => now,
      () => info,
    )
    await client.flushall()
    const at = { position: 0, token: '' }
    for (let step = 0; step < 400; step += 1) {
      const isCommand = random.chance(0.35)
      const call = isCommand ? randomCommand(random) : randomScript(random, at)
      const { script, name, given } = call
      const source = script && scripts[script]
      const sent = given.map(bytes)
      const [time, real] = (await client
        .pipeline()
        .time()
        .callBuffer(
          ...((source ? ['EVAL', source, '1', clock, ...sent] : [name, ...sent]) as [string]),
        )
        .exec())!.map(([error, reply]) => error ?? reply) as [[number, number], unknown]
      now = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
      let simulated: unknown
      try {
        simulated = source ? evaluate(source, run, [clock], given) : run(name, given)
      } catch (error) {
        if (!(error instanceof LuaError)) throw error
        simulated = error
      }
      if (given.includes(brief)) await passed(now + Number(brief))
      const [expected, found] = [normal(real, name), normal(simulated, name)]
      if (JSON.stringify(expected) !== JSON.stringify(found)) {
        t.same(
          found,
          expected,
          `seed ${seed}, step ${step}: ${name} ${given.join(' ')} ${real} ${simulated}`,
        )
        return
      }
      compared += 1
      const text = typeof found === 'string' ? /^E (\d+) (\S+)$/.exec(found) : null
      if (text !== null) Object.assign(at, { position: Number(text[1]), token: text[2] })
      else if (name === 'mark' || name === 'finish') at.position += 1
    }
  }
  t.comment(`${compared} replies`)
  t.equal(compared, 4800)
})
