/*
 * As much of protobuf, and of OTLP's messages, as the tests look at.
 * https://github.com/open-telemetry/opentelemetry-proto
 */

/** The fields of a message by number: numbers, or bytes not yet read. */
class Message {
  readonly fields = new Map<number, (bigint | Buffer)[]>()

  constructor(bytes: Buffer) {
    let at = 0
    const varint = (): bigint => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++]!
        value |= BigInt(byte & 0x7f) << shift
        if (byte < 0x80) return value
      }
    }
    const take = (length: number) => {
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      const tag = Number(varint())
      const type = tag & 7
      const value =
        type === 0 ? varint() : type === 1 ? take(8) : type === 5 ? take(4) : take(Number(varint()))
      const values = this.fields.get(tag >>> 3) ?? []
      values.push(value)
      this.fields.set(tag >>> 3, values)
    }
  }

  has = (field: number) => this.fields.has(field)
  bytes = (field: number) => (this.fields.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0)
  text = (field: number) => this.bytes(field).toString()
  hex = (field: number) => this.bytes(field).toString('hex')
  int = (field: number) => Number((this.fields.get(field)?.[0] as bigint | undefined) ?? 0n)
  fixed = (field: number) => (this.has(field) ? Number(this.bytes(field).readBigInt64LE()) : 0)
  double = (field: number) => (this.has(field) ? this.bytes(field).readDoubleLE() : 0)
  message = (field: number) => new Message(this.bytes(field))
  messages = (field: number) =>
    (this.fields.get(field) ?? []).map((bytes) => new Message(bytes as Buffer))
}

type Attributes = Record<string, unknown>

function attributes(pairs: Message[]): Attributes {
  return Object.fromEntries(pairs.map((pair) => [pair.text(1), readValue(pair.message(2))]))
}

function readValue(value: Message): unknown {
  if (value.has(1)) return value.text(1)
  if (value.has(2)) return value.int(2) === 1
  return value.has(3) ? value.int(3) : value.double(4)
}

export interface Span {
  traceId: string
  spanId: string
  parent: string
  name: string
  /** 1 internal, 2 server, 3 client. */
  kind: number
  /** Nanoseconds. */
  start: number
  end: number
  attributes: Attributes
  error: boolean
  resource: Attributes
}

export function readSpans(body: Buffer): Span[] {
  return new Message(body).messages(1).flatMap((resourceSpans) => {
    const resource = attributes(resourceSpans.message(1).messages(1))
    return resourceSpans.messages(2).flatMap((scope) =>
      scope.messages(2).map((span) => ({
        traceId: span.hex(1),
        spanId: span.hex(2),
        parent: span.hex(4),
        name: span.text(5),
        kind: span.int(6),
        start: span.fixed(7),
        end: span.fixed(8),
        attributes: attributes(span.messages(9)),
        error: span.message(15).int(3) === 2,
        resource,
      })),
    )
  })
}

export interface Point {
  name: string
  attributes: Attributes
  /** Of a histogram the count. */
  value: number
}

export function readPoints(body: Buffer): Point[] {
  return new Message(body).messages(1).flatMap((resource) =>
    resource.messages(2).flatMap((scope) =>
      scope.messages(2).flatMap((metric) => {
        const name = metric.text(1)
        const plain = [5, 7].flatMap((kind) => metric.messages(kind)).flatMap((k) => k.messages(1))
        const histogram = metric.messages(9).flatMap((kind) => kind.messages(1))
        return [
          ...plain.map((point) => ({
            name,
            attributes: attributes(point.messages(7)),
            value: point.has(6) ? point.fixed(6) : point.double(4),
          })),
          ...histogram.map((point) => ({
            name,
            attributes: attributes(point.messages(9)),
            value: point.fixed(4),
          })),
        ]
      }),
    ),
  )
}

export interface LogRecord {
  body: unknown
  traceId: string
  attributes: Attributes
}

export function readLogs(body: Buffer): LogRecord[] {
  return new Message(body).messages(1).flatMap((resource) =>
    resource.messages(2).flatMap((scope) =>
      scope.messages(2).map((record) => ({
        body: readValue(record.message(5)),
        traceId: record.hex(9),
        attributes: attributes(record.messages(6)),
      })),
    ),
  )
}
