import fp from 'fastify-plugin'
import { closeConnection } from '../src/transport/close-connection.ts'
import { Availability } from '../src/health/availability.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether this process can take requests, and why not. */
    availability: Availability
  }
}

/** Makes the state of the process known, and sends clients elsewhere for their next request while it drains. */
export default fp<{ availability: Availability }>(async function available (app, { availability }) {
  app.decorate('availability', availability)

  app.addHook('onRequest', function closeWhileDraining (_request, reply, done) {
    if (availability.draining) closeConnection(reply)
    done()
  })

  // Requests that came before the drain have their answers still to come: those too must be the last on their
  // connection, or the listener would wait for it until its keep-alive time is over.
  availability.onChange((state) => {
    if (state !== 'draining') return
    for (const { reply } of app.inFlight) closeConnection(reply)
  })
}, { name: 'availability', dependencies: ['request-context'] })
