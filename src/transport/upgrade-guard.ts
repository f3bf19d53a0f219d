import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

const upgrading = new WeakSet<Duplex>()

/** Whether a connection has carried a request for an upgrade, so that nothing further on it may be answered. */
export function isUpgrading (socket: Duplex): boolean {
  return upgrading.has(socket)
}

/**
 * Whether a request may be answered; to be asked once for each, before anything else looks at it. A request for an
 * upgrade is the last on its connection, as this server never upgrades.
 *
 * Node's parser stops at the end of such a request and loses the rest of the bytes at hand. What comes next it takes
 * for the beginning of a request, though it may be the middle of one: a client behind a proxy could smuggle a request
 * in the body of another. So what the parser makes of it is never answered, and reading stops at the first of it. The
 * answer to the upgrade says `Connection: close`, after which Node closes the connection.
 */
export function mayAnswer ({ headers, socket }: IncomingMessage, response: ServerResponse): boolean {
  if (upgrading.has(socket)) {
    socket.pause()
    return false
  }
  if (headers.upgrade !== undefined) {
    upgrading.add(socket)
    response.setHeader('connection', 'close')
  }
  return true
}
