import type { IncomingMessage, Server } from 'node:http'

// An `import` would read all that node:http exports, and so load Node's client too: 25 ms and 5 MiB.
const { ServerResponse, validateHeaderName, validateHeaderValue } =
  process.getBuiltinModule('node:http')

/**
 * Node's response, which can also send an answer that is ready as one text, header and all. A server makes
 * its responses of this class with the option `ServerResponse`. What follows an answer is left to Node, since
 * this one ends as all do: by 'finish', once its bytes were handed over.
 */
export class ReadyResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  #sent = false
  #handedOver = false

  /**
   * Sends `text` in one write. False, with nothing sent, where Node has to see to it: other answers come
   * first, the connection is not just kept open, or somebody has set a field.
   */
  sendReady(text: string): boolean {
    const { socket, req } = this
    // A pipelined request has no socket until it is its turn.
    if (socket === null || !socket.writable || !keepsOpen(req)) return false
    if (this.getHeaderNames().length > 0) return false
    this.#sent = true
    socket.write(text, 'latin1', (error) => {
      if (error) return
      this.#handedOver = true
      this.emit('finish')
    })
    return true
  }

  static {
    // By their types, Node's getters are fields, which no getter may override.
    const { prototype } = ReadyResponse
    const extend = (name: keyof ReadyResponse, isTrue: (response: ReadyResponse) => boolean) => {
      const get = function (this: ReadyResponse) {
        return isTrue(this) || Reflect.get(ServerResponse.prototype, name, this)
      }
      Object.defineProperty(prototype, name, { get, configurable: true })
    }
    extend('headersSent', (response) => response.#sent)
    extend('writableEnded', (response) => response.#sent)
    extend('writableFinished', (response) => response.#handedOver)
  }
}

const keepsOpen = ({ httpVersion, headers: { connection } }: IncomingMessage) =>
  httpVersion === '1.1' && (connection === undefined || connection === 'keep-alive')

/**
 * What Node sends for `writeHead(200, headers)` and `end(body, 'latin1')` on a connection that is kept open.
 * `headers`: name, value, name, value.
 * @throws TypeError for a field that may not be sent
 */
export function readyText(server: Server, headers: readonly string[], body: string): string {
  let head = 'HTTP/1.1 200 OK\r\n'
  const add = (name: string, value: string) => {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    head += `${name}: ${value}\r\n`
  }
  for (let at = 0; at < headers.length; at += 2) add(headers[at]!, headers[at + 1]!)
  add('Date', new Date().toUTCString())
  add('Connection', 'keep-alive')
  const seconds = Math.floor(server.keepAliveTimeout / 1000)
  if (server.keepAliveTimeout > 0) add('Keep-Alive', `timeout=${seconds}`)
  return `${head}\r\n${body}`
}
