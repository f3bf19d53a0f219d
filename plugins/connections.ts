import type { Socket } from 'node:net'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** All that are open, also those on which no request was made: Node tells only of others. */
    connections: ReadonlySet<Socket>
  }
}

/** Knows which connections are open, and ends the requests of one that closes. */
export default fp(async function connections (app) {
  const open = new Set<Socket>()
  app.decorate('connections', open)

  app.server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      if (app.inFlight.size > 0) setImmediate(abandon, socket)
    })
  })

  /**
   * Answers in line behind another on the same connection end with it, and Node tells nobody: their requests would be
   * in flight for ever.
   */
  function abandon (socket: Socket): void {
    for (const { request, reply } of [...app.inFlight]) if (request.raw.socket === socket) reply.raw.emit('close')
  }
}, { name: 'connections', dependencies: ['request-context'] })
