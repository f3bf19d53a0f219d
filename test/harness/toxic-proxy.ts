import net from 'node:net'
import { once } from 'node:events'

/**
 * - `pass`: forwards
 * - `refuse`: nobody listens, as when the server is stopped
 * - `freeze`: accepts, holds back every byte either way until the mode changes, as when the server is stopped by
 *   SIGSTOP
 * - `black-hole`: accepts, and drops every byte either way for good, as when a firewall or a failover has forgotten the
 *   connection
 * - `drop`: accepts and closes at once, as a load balancer with nothing behind it
 */
export type ProxyMode = 'pass' | 'refuse' | 'freeze' | 'black-hole' | 'drop'

interface Pair {
  client: net.Socket
  server: net.Socket
  held: Array<() => void>
  passed: number
  /** What happens to it when the client sends something. */
  forgotten?: 'silent' | 'reset'
}

/** Stands between a client and a server, and does to their connections what networks do. */
export class ToxicProxy {
  /** Bytes from the server a connection passes on before it is reset; undefined: all. */
  resetAfterBytes: number | undefined
  /** Added to each chunk, either way. */
  latencyMs = 0
  port = 0
  #target: net.NetConnectOpts
  #server = this.#newServer()
  #pairs = new Set<Pair>()
  #mode: ProxyMode = 'pass'
  /** Called when a connection is reset after so many bytes. */
  onReset = () => {}
  /** Connections accepted so far. */
  accepted = 0
  /** What arrived from clients so far, a number of bytes for each read. */
  received: number[] = []

  private constructor (target: net.NetConnectOpts) {
    this.#target = target
  }

  /** Listens on a free port of 127.0.0.1. */
  static async to (port: number, host = '127.0.0.1'): Promise<ToxicProxy> {
    const proxy = new ToxicProxy({ port, host })
    await proxy.#listen()
    return proxy
  }

  get mode (): ProxyMode {
    return this.#mode
  }

  get connections (): number {
    return this.#pairs.size
  }

  /** The same URL, through here. */
  url (url: string): string {
    return url.replace(/@[^/]+/, `@127.0.0.1:${this.port}`)
  }

  /** Connections that are open stay open; `refuse` cuts them. */
  async setMode (mode: ProxyMode): Promise<void> {
    const before = this.#mode
    this.#mode = mode
    if (mode === 'refuse' && before !== 'refuse') {
      const closed = once(this.#server, 'close')
      this.#server.close()
      this.cutAll()
      await closed
    }
    if (before === 'refuse' && mode !== 'refuse') await this.#listen()
    if (mode === 'pass') {
      for (const { held } of this.#pairs) for (const release of held.splice(0)) release()
    }
  }

  /** Resets every open connection. */
  cutAll (): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
  }

  /**
   * The address has moved: what is open leads nowhere any more, and is reset, or never answered, when its client says
   * something. New connections are forwarded, to `port` if it is given.
   */
  move (forgotten: 'silent' | 'reset', port?: number): void {
    if (port !== undefined) this.#target = { port, host: '127.0.0.1' }
    for (const pair of this.#pairs) pair.forgotten = forgotten
  }

  /** Forwards new connections to another port; what is open stays as it is. */
  retarget (port: number): void {
    this.#target = { port, host: '127.0.0.1' }
  }

  async close (): Promise<void> {
    if (this.#mode !== 'refuse') await this.setMode('refuse')
  }

  #newServer (): net.Server {
    return net.createServer((client) => this.#accept(client))
  }

  async #listen (): Promise<void> {
    this.#server = this.#newServer()
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as net.AddressInfo).port
  }

  #accept (client: net.Socket): void {
    this.accepted++
    client.on('error', () => {})
    if (this.#mode === 'drop') {
      client.resume().end()
      return
    }
    client.setNoDelay(true)
    const server = net.connect({ ...this.#target, noDelay: true } as net.NetConnectOpts)
    const pair: Pair = { client, server, held: [], passed: 0 }
    this.#pairs.add(pair)
    server.on('error', () => client.destroy())
    client.once('close', () => { this.#pairs.delete(pair); server.destroy() })
    this.#forward(pair, client, server)
    this.#forward(pair, server, client)
  }

  #forward (pair: Pair, from: net.Socket, to: net.Socket): void {
    from.on('data', (chunk) => this.#pass(pair, () => {
      if (pair.forgotten !== undefined) {
        if (pair.forgotten === 'reset' && from === pair.client) from.resetAndDestroy()
        return
      }
      if (from === pair.client) this.received.push(chunk.length)
      if (from === pair.server && this.resetAfterBytes !== undefined) {
        const room = this.resetAfterBytes - pair.passed
        pair.passed += chunk.length
        if (room <= chunk.length) {
          this.onReset()
          to.write(chunk.subarray(0, Math.max(0, room)), () => pair.client.resetAndDestroy())
          return
        }
      }
      to.write(chunk)
    }))
    from.once('end', () => this.#pass(pair, () => to.end()))
  }

  #pass (pair: Pair, action: () => void): void {
    if (this.#mode === 'black-hole') return
    // What was held back before goes first.
    if (this.#mode === 'freeze') pair.held.push(action)
    else if (this.latencyMs > 0) setTimeout(action, this.latencyMs)
    else action()
  }
}
