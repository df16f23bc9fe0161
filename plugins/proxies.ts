import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'

/** `TRUST_PROXY` as Fastify takes it: a switch, a number of hops, or addresses. */
export function trustProxy(text: string | undefined) {
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  return /^\d+$/.test(text) ? (_address: string, hop: number) => hop < Number(text) : text
}

/** The client's address of a request, as Fastify's `request.ip` gives it with the same `TRUST_PROXY`. */
export function clientAddress(text: string | undefined): (request: IncomingMessage) => string {
  const trusted = trustProxy(text)
  if (trusted === false) return ({ socket }) => socket.remoteAddress ?? ''
  if (trusted === true) return (request) => proxyAddr(request, () => true)
  const trusts =
    typeof trusted === 'string'
      ? proxyAddr.compile(trusted.split(',').map((address) => address.trim()))
      : trusted
  return (request) => proxyAddr(request, trusts)
}
