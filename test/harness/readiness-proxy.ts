import { once } from 'node:events'
import { Agent, createServer, get, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

interface Backend {
  port: number
  ready: boolean
  agent: Agent
  probing: NodeJS.Timeout
}

/**
 * A minimal load balancer: it probes the readiness of its backends, sends each request to the next ready one over
 * kept-alive connections, and never sends a request twice. A request that it cannot deliver gets a 502.
 */
export class ReadinessProxy {
  port = 0
  #server: Server
  #backends: Backend[] = []
  #turn = 0
  readonly #probeMs: number

  private constructor (probeMs: number) {
    this.#probeMs = probeMs
    this.#server = createServer((request, response) => this.#forward(request, response))
  }

  static async start (probeMs: number): Promise<ReadinessProxy> {
    const proxy = new ReadinessProxy(probeMs)
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
    get({ host: '127.0.0.1', port: backend.port, path: '/health/ready', agent: false }, (response) => {
      backend.ready = response.statusCode === 200
      response.resume()
    }).on('error', () => { backend.ready = false })
  }

  #forward (incoming: IncomingMessage, outgoing: ServerResponse): void {
    const ready = this.#backends.filter((backend) => backend.ready)
    const backend = ready[this.#turn++ % ready.length]
    if (backend === undefined) {
      outgoing.writeHead(502).end('nobody is ready')
      return
    }
    const { method, url, headers } = incoming
    const upstream = request(
      { host: '127.0.0.1', port: backend.port, agent: backend.agent, method, path: url, headers },
      (answer) => {
        // Hop-by-hop headers apply to the connection to the backend only.
        const { connection, 'keep-alive': keepAlive, ...others } = answer.headers
        outgoing.writeHead(answer.statusCode as number, others)
        answer.pipe(outgoing)
      }
    )
    upstream.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end(String(error))
    })
    incoming.pipe(upstream)
  }
}
