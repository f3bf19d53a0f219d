import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createListener, type AddressInfo, type Server as Listener } from 'node:net'
import { once } from 'node:events'
import { lookup as lookupHost } from 'node:dns/promises'
import type { Connections } from './connections.ts'
import { Response } from './response.ts'
import { mayAnswer } from './upgrade-guard.ts'

/** How many connections may wait to be accepted. Of 1,000 at once Node's 511 lets half try again a second later. */
export const BACKLOG = 4096
const MAX_HEADER_BYTES = 16_384
const HEADERS_TIMEOUT_MS = 10_000
/** How often Node looks for requests that are late. */
const LATE_CHECK_MS = 500

export interface ServerOptions {
  /** How long the headers of a request may take to arrive, at most. */
  requestTimeoutMs: number
  /** How long any request may take to arrive. Most may take less: the deadlines plugin ends them. */
  uploadTimeoutMs: number
  /** How long a connection may be idle between two requests. */
  keepAliveTimeoutMs: number
  connections: Connections
}

/**
 * The one HTTP server of the process, whichever addresses it is reached at: `handle` is called for each request that
 * may be answered. To be given to Fastify as its `serverFactory`.
 */
export function createHttpServer (
  handle: RequestListener,
  { requestTimeoutMs, uploadTimeoutMs, keepAliveTimeoutMs, connections }: ServerOptions
): Server {
  const answer: RequestListener = (request, response) => {
    if (mayAnswer(request, response)) handle(request, response)
  }
  const server = createServer({
    ServerResponse: Response,
    // Both are checked by the protocol plugin, which answers in the envelope.
    requireHostHeader: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: Math.max(requestTimeoutMs, uploadTimeoutMs),
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
    connectionsCheckingInterval: LATE_CHECK_MS,
    keepAliveTimeout: keepAliveTimeoutMs
  }, answer)
  // Both are answered as any request is. The interim answer 100 is given when the body is first wanted, so that what is
  // refused gets its refusal alone.
  server.on('checkContinue', answer)
  server.on('checkExpectation', answer)
  server.on('connection', (socket) => connections.add(socket))
  connections.bound(server)
  return server
}

/**
 * Listens on the further addresses of `localhost` where `server` listens on its first, at the same port. What connects
 * there is handed to `server` (`http.Server` documents that 'connection' may be emitted for that), so that all is
 * answered alike. An address that cannot be listened on is left out.
 */
export async function listenBeside (
  server: Server,
  connections: Connections,
  lookup: typeof lookupHost = lookupHost
): Promise<Listener[]> {
  const { address: first, port } = server.address() as AddressInfo
  const others = (await lookup('localhost', { all: true })).filter(({ address }) => address !== first)
  const share = Math.floor(connections.limit / (others.length + 1))
  const listeners: Listener[] = []
  for (const { address } of others) {
    const listener = createListener({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit('connection', socket))
    const listening = once(listener, 'listening')
    listener.listen({ host: address, port, backlog: BACKLOG })
    try {
      await listening
    } catch {
      continue
    }
    connections.bound(listener, share)
    listeners.push(listener)
  }
  if (listeners.length > 0) server.maxConnections = share
  return listeners
}
