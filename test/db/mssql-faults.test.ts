import t from 'tap'
import { ConnectionError, RequestError } from 'tedious'
import { DatabaseUnavailable } from '../../db/dialects/dialect.ts'
import { asFault, Fault, retrying } from '../../db/dialects/faults.ts'

const numbered = (number: number, message = 'text') =>
  Object.assign(new RequestError(message, 'EREQUEST'), { number, class: 16 })

const kindOf = (error: unknown) => {
  const fault = asFault(error)
  return fault instanceof Fault ? fault.kind : undefined
}

t.test('faults of the way and of the server are told from those of a statement', async (t) => {
  for (const number of [40197, 40501, 40613, 42108, 42109, 49918, 49919, 49920, 10928, 4060]) {
    t.equal(kindOf(numbered(number)), 'unavailable', `${number}`)
  }
  for (const number of [1205, 1222, 3960])
    t.equal(kindOf(numbered(number)), 'conflict', `${number}`)
  t.equal(kindOf(numbered(33_557_097, 'deadlock detected')), 'conflict')
  t.equal(kindOf(Object.assign(numbered(21), { class: 21 })), 'unavailable', 'the server hangs up')
  t.equal(kindOf(numbered(18_456)), 'refused')
  const starting = new ConnectionError('the database system is starting up', 'ELOGIN')
  t.equal(kindOf(Object.assign(starting, { number: 1 })), 'unavailable', 'no fault of the login')
  const ended = new Error('unexpected end of message stream')
  t.equal(asFault(ended), ended)
  t.match(asFault(ended, true), { kind: 'unavailable' }, 'on a closed connection it is the link')
  t.match(asFault(numbered(2627), true), { number: 2627 }, 'what the server said stands')
  for (const code of ['ESOCKET', 'ECONNRESET', 'ECLOSE', 'ETIMEOUT', 'ECONNREFUSED', 'ENOTFOUND']) {
    t.equal(kindOf(new ConnectionError('text', code)), 'unavailable', code)
  }
  t.equal(kindOf(new AggregateError([new ConnectionError('text', 'ESOCKET')])), 'unavailable')
  t.equal(kindOf(new RequestError('text', 'ETIMEOUT')), 'timeout')
  for (const number of [2627, 2601, 547, 515, 8152, 2628, 208]) {
    const error = numbered(number)
    t.equal(asFault(error), error, `${number} is no fault`)
  }
  t.ok(asFault(new ConnectionError('text', 'ESOCKET')) instanceof DatabaseUnavailable)
})

t.test('an attempt is repeated a few times after what may be over, and only then', async (t) => {
  const counted = (kind: ConstructorParameters<typeof Fault>[0], until: number) => {
    let attempts = 0
    const outcome = retrying(async () => {
      attempts += 1
      if (attempts < until) throw new Fault(kind, new Error('text'))
      return attempts
    })
    return outcome.catch(() => `gave up after ${attempts}`)
  }
  t.equal(await counted('unavailable', 3), 3)
  t.equal(await counted('conflict', 3), 3)
  t.equal(await counted('unavailable', 9), 'gave up after 5')
  t.equal(await counted('timeout', 3), 'gave up after 1')
  t.equal(await counted('refused', 3), 'gave up after 1')
})
