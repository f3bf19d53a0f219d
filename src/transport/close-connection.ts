import type { FastifyReply } from 'fastify'

/** Makes an answer the last on its connection; does nothing where its head is on the way already. */
export function closeConnection (reply: FastifyReply): void {
  if (!reply.raw.headersSent) reply.header('connection', 'close')
}
