import { EventEmitter, once } from 'node:events'
import { Agent, createServer, get, request } from 'node:http'
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

interface Backend {
  port: number
  ready: boolean
  agent: Agent
  probing: NodeJS.Timeout
}

/** A probe without an answer after this time has failed: the backend is frozen. */
const PROBE_TIMEOUT_MS = 1000
/** A request that may be repeated is kept if it is no longer. */
const KEPT_BYTES = 128 * 1024
const MOST_ATTEMPTS = 4

/**
 * A minimal load balancer: it probes the readiness of its backends, and sends each request to the next ready one over
 * kept-alive connections. A request that it cannot deliver gets a 502. It never sends a request twice, unless it is
 * told to: then a read, or a write with an `Idempotency-Key`, goes to another backend if there is no answer after
 * `repeatsAfterMs`, or if the backend dies.
 */
export class ReadinessProxy {
  port = 0
  #server: Server
  #backends: Backend[] = []
  #turn = 0
  readonly #changes = new EventEmitter()
  readonly #probeMs: number
  readonly #repeatsAfterMs: number | undefined

  private constructor (probeMs: number, repeatsAfterMs: number | undefined) {
    this.#probeMs = probeMs
    this.#repeatsAfterMs = repeatsAfterMs
    this.#server = createServer((request, response) => this.#forward(request, response))
  }

  static async start (
    probeMs: number,
    { repeatsAfterMs }: { repeatsAfterMs?: number } = {}
  ): Promise<ReadinessProxy> {
    const proxy = new ReadinessProxy(probeMs, repeatsAfterMs)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    proxy.port = (proxy.#server.address() as AddressInfo).port
    return proxy
  }

  /** Resolves when requests are routed to it. */
  async add (port: number): Promise<void> {
    const backend: Backend = {
      port,
      ready: false,
      agent: new Agent({ keepAlive: true }),
      probing: setInterval(() => this.#probe(backend), this.#probeMs)
    }
    this.#backends.push(backend)
    while (!backend.ready) await sleep(10)
  }

  /** Resolves when it notices that a backend is ready, or no longer is, from now on. */
  async turned (port: number, ready: boolean): Promise<void> {
    await once(this.#changes, `${port} ${ready}`)
  }

  remove (port: number): void {
    const [backend] = this.#backends.splice(this.#backends.findIndex((each) => each.port === port), 1)
    clearInterval(backend?.probing)
    backend?.agent.destroy()
  }

  close (): void {
    for (const { port } of [...this.#backends]) this.remove(port)
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #probe (backend: Backend): void {
    const turn = (ready: boolean): void => {
      if (backend.ready === ready) return
      backend.ready = ready
      this.#changes.emit(`${backend.port} ${ready}`)
    }
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
    get({ host: '127.0.0.1', port: backend.port, path: '/health/ready', agent: false, signal }, (response) => {
      turn(response.statusCode === 200)
      response.on('error', () => {}).resume()
    }).on('error', () => turn(false))
  }

  #forward (incoming: IncomingMessage, outgoing: ServerResponse): void {
    const length = Number(incoming.headers['content-length'] ?? 0)
    const isIdempotent = /^(?:GET|HEAD|OPTIONS)$/.test(incoming.method ?? '') ||
      incoming.headers['idempotency-key'] !== undefined
    if (this.#repeatsAfterMs !== undefined && isIdempotent && length <= KEPT_BYTES) {
      this.#repeat(incoming, outgoing).catch(() => outgoing.destroy())
      return
    }
    const backend = this.#next()
    if (backend === undefined) {
      outgoing.writeHead(502).end('nobody is ready')
      return
    }
    const upstream = this.#send(backend, incoming, outgoing)
    upstream.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end(String(error))
    })
    incoming.pipe(upstream)
  }

  /** The next ready one; one that was tried before only if there is no other. */
  #next (tried: Backend[] = []): Backend | undefined {
    const ready = this.#backends.filter((backend) => backend.ready)
    const fresh = ready.filter((backend) => !tried.includes(backend))
    const among = fresh.length > 0 ? fresh : ready
    return among[this.#turn++ % among.length]
  }

  #send (backend: Backend, incoming: IncomingMessage, outgoing: ServerResponse, signal?: AbortSignal): ClientRequest {
    const { method, url, headers } = incoming
    return request(
      { host: '127.0.0.1', port: backend.port, agent: backend.agent, method, path: url, headers, signal },
      (answer) => {
        // Hop-by-hop headers apply to the connection to the backend only.
        const { connection, 'keep-alive': keepAlive, ...others } = answer.headers
        outgoing.writeHead(answer.statusCode as number, others)
        answer.on('error', () => outgoing.destroy()).pipe(outgoing)
      }
    )
  }

  async #repeat (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const tried: Backend[] = []
    let problem: unknown = 'nobody is ready'
    while (tried.length < MOST_ATTEMPTS && !outgoing.headersSent) {
      const backend = this.#next(tried)
      if (backend === undefined) break
      tried.push(backend)
      const patience = new AbortController()
      const timer = setTimeout(() => patience.abort(), this.#repeatsAfterMs)
      try {
        const upstream = this.#send(backend, incoming, outgoing, patience.signal).on('error', () => {})
        upstream.end(body)
        await once(upstream, 'response')
        return
      } catch (error) {
        problem = error
      } finally {
        clearTimeout(timer)
      }
    }
    if (outgoing.headersSent) outgoing.destroy()
    else outgoing.writeHead(502).end(String(problem))
  }
}
