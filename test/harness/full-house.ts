import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Service } from './service.ts'

const HELD = '/held'
const REQUEST = `GET ${HELD} HTTP/1.1\r\nHost: x\r\n\r\n`

/** A route whose requests take a place for as long as a test wants: `boot` is to be called while the service boots. */
export class FullHouse {
  #leave = () => {}
  readonly #left = new Promise<void>((resolve) => { this.#leave = resolve })
  #isLeft = false
  #letIn = () => {}
  readonly #sockets = new Set<Socket>()
  /** Answers its own requests have had. */
  answered = 0

  boot (app: FastifyInstance): void {
    app.get(HELD, { config: { sheddable: true } }, async () => {
      this.#letIn()
      await this.#left
      return {}
    })
  }

  /** Takes places until there is none left, and takes them again where a request was answered. */
  async fill ({ app }: Service): Promise<void> {
    const { port } = app.server.address() as { port: number }
    for (let isFull = false; !isFull;) {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      const letIn = new Promise<false>((resolve) => { this.#letIn = () => resolve(false) })
      isFull = await Promise.race([letIn, this.#keep(socket)])
    }
  }

  /**
   * Asks for a place, and again at each answer: after REQUEST_TIMEOUT there is one. Resolves to true once it was
   * refused.
   */
  #keep (socket: Socket): Promise<boolean> {
    this.#sockets.add(socket)
    return new Promise((resolve) => {
      socket.setEncoding('latin1').on('data', (answer: string) => {
        this.answered++
        const isRefused = answer.includes('SERVICE_UNAVAILABLE')
        if (isRefused || this.#isLeft) {
          this.#sockets.delete(socket)
          socket.destroy()
        } else socket.write(REQUEST)
        resolve(isRefused)
      })
      socket.write(REQUEST)
    })
  }

  /** Gives every place back. */
  async empty (): Promise<void> {
    this.#isLeft = true
    this.#leave()
    await Promise.all([...this.#sockets].map(async (socket) => { await once(socket, 'close') }))
  }
}
