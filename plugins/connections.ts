import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { Connections } from '../src/transport/connections.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** All connections that are open, those included on which no request was made. */
    connections: Connections
  }
}

/** Knows which connections are open, and ends the requests of one that closes. */
export default fp<{ connections: Connections }>(async function clientConnections (app, { connections }) {
  app.decorate('connections', connections)

  app.server.on('connection', (socket: Socket) => {
    socket.once('close', () => { if (app.inFlight.size > 0) setImmediate(abandon, socket) })
  })

  /**
   * Responses queued behind another on the same connection end with it, and Node emits no event for them: their
   * requests would stay in flight for ever.
   */
  function abandon (socket: Socket): void {
    for (const { request, reply } of [...app.inFlight]) if (request.raw.socket === socket) reply.raw.emit('close')
  }
}, { name: 'connections', dependencies: ['request-context'] })
