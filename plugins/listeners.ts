import { once } from 'node:events'
import type { lookup as lookupHost } from 'node:dns/promises'
import type { Server as Listener } from 'node:net'
import fp from 'fastify-plugin'
import { BACKLOG, listenBeside } from '../src/transport/server.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Listens; on every address of `localhost` where that is the host. */
    listenOn (address: { host: string, port: number, lookup?: typeof lookupHost }): Promise<void>
  }
}

/**
 * Listens on every address of `localhost`: with a `serverFactory`, Fastify listens on the first alone. Registered last,
 * it waits for its connections before any other plugin closes.
 */
export default fp(async function listeners (app) {
  let further: Listener[] = []
  let closed: Promise<unknown> | undefined

  app.decorate('listenOn', async ({ host, port, lookup }) => {
    await app.listen({ host, port, backlog: BACKLOG })
    if (host === 'localhost') further = await listenBeside(app.server, app.connections, lookup)
  })

  app.addHook('preClose', async () => {
    closed = Promise.all(further.map(async (listener) => await once(listener.close(), 'close')))
  })
  app.addHook('onClose', async () => { await closed })
}, { name: 'listeners', dependencies: ['connections'] })
