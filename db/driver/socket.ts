import net from 'node:net'
import tls from 'node:tls'
import type { Address, Host } from './address.ts'

/** What Postgres gives out when a connection starts, and wants to see when its statement is to be cancelled. */
export interface BackendKey { pid: number, secret: number }

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const TERMINATE = Buffer.from([88, 0, 0, 0, 4])
/**
 * After this long without a byte the system asks whether the other side is there; libuv gives it ten seconds to say so.
 */
const KEEP_ALIVE_MS = 10_000
const NO_TLS = 'The server does not offer TLS, and sslmode does not allow a connection without it'

/**
 * A connection to the server, encrypted where the address says so, ready for its first message. Ours instead of the
 * driver's, so that it can be destroyed when the server is silent, and because the driver waits for ever where the
 * other side closes during the TLS request.
 */
export function openSocket (host: Host, address: Address, timeoutMs: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = host.host.startsWith('/')
      ? net.connect({ path: `${host.host}/.s.PGSQL.${host.port}` })
      : net.connect({
        host: host.host,
        port: host.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS
      })
    const late = coded('ETIMEDOUT', `No answer within ${Math.round(timeoutMs)} ms`)
    const timer = setTimeout(() => socket.destroy(late), timeoutMs)
    let secured: tls.TLSSocket | undefined
    socket.once('error', failed)
    socket.once('close', failed)
    socket.once('connect', () => {
      if (address.sslMode === 'disable' || host.host.startsWith('/')) return done(socket)
      socket.write(SSL_REQUEST)
      socket.once('data', secure)
    })

    function secure (answer: Buffer): void {
      // More than one byte was injected by a man in the middle (CVE-2021-23222).
      if (answer.length !== 1 || (answer[0] !== 83 && answer[0] !== 78)) {
        return failed(new Error('What listens there does not answer a request for TLS as PostgreSQL does'))
      }
      if (answer[0] === 78) {
        return address.sslMode === 'prefer' ? done(socket) : failed(coded('TLS_NOT_OFFERED', NO_TLS))
      }
      // `host` is whom the certificate has to name: without it, and with an address for which there is no `servername`,
      // Node asks for "localhost".
      secured = tls.connect({
        ...address.tls,
        socket,
        host: host.host,
        servername: net.isIP(host.host) === 0 ? host.host : undefined
      })
      secured.once('error', failed)
      secured.once('close', failed)
      secured.once('secureConnect', () => done(secured as tls.TLSSocket))
    }

    function done (ready: net.Socket): void {
      clearTimeout(timer)
      for (const each of secured === undefined ? [socket] : [socket, secured]) {
        each.off('error', failed)
        each.off('close', failed)
      }
      // The encrypted socket passes on what happens to the one below; that one must not be without a listener.
      if (secured !== undefined) socket.on('error', () => {})
      resolve(ready)
    }

    function failed (error?: Error | boolean): void {
      clearTimeout(timer)
      // Errors of a socket that is given up are ignored.
      socket.on('error', () => {})
      secured?.on('error', () => {})
      socket.destroy()
      reject(error instanceof Error ? error : new Error('The server closed the connection'))
    }
  })
}

/**
 * Asks the server to end what a backend is doing, over a connection of its own as the protocol has it. Answers whether
 * the server has taken the request (it closes the connection then); never throws. The driver's `query.cancel()` cannot
 * be waited for, so a cancel could arrive late and hit the connection's next statement; and when it fails, its
 * rejection cannot be handled and ends the process.
 */
export async function requestCancel (
  host: Host,
  address: Address,
  key: BackendKey,
  timeoutMs: number
): Promise<boolean> {
  try {
    const socket = await openSocket(host, address, timeoutMs)
    return await new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(false)
        socket.destroy()
      }, timeoutMs)
      socket.on('error', () => {})
      socket.once('close', (hadError) => {
        clearTimeout(timer)
        resolve(!hadError)
      })
      socket.resume()
      const message = Buffer.alloc(16)
      message.writeInt32BE(16, 0)
      message.writeInt32BE(80877102, 4)
      message.writeUInt32BE(key.pid, 8)
      message.writeUInt32BE(key.secret, 12)
      socket.write(message)
    })
  } catch {
    return false
  }
}

/** Says goodbye, and leaves it at that after a second. */
export function endSocket (socket: net.Socket): void {
  socket.end(TERMINATE)
  setTimeout(() => socket.destroy(), 1000).unref()
}

function coded (code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
