import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorAnswer } from '../http/error-response.ts'

/** How long a client that got an error may go on sending before it is cut off, so that it can read the error. */
const LINGER_MS = 1000

/** An error response as the bytes that go over a connection, for where there is no response to send it by. */
export function rawAnswer (
  { status, headers, body }: ErrorAnswer,
  requestId: string,
  common: Readonly<Record<string, string>>
): string {
  const all = {
    date: new Date().toUTCString(),
    ...common,
    ...headers,
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close'
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}

/**
 * Ends a connection with these last bytes, none by default. A socket that is closed with bytes unread resets, and the
 * answer may be lost on its way: what still comes is read and thrown away for a while.
 */
export function endConnection (socket: Duplex, bytes = ''): void {
  socket.end(bytes)
  socket.resume()
  const cut = setTimeout(() => socket.destroy(), LINGER_MS)
  cut.unref()
  socket.once('close', () => clearTimeout(cut))
}
