import type { Socket } from 'node:net'
import type { Address } from './address.ts'
import { saslprep } from './saslprep.ts'

/** The first message of the server, and in it the way of authentication that is SCRAM. */
const AUTHENTICATION = 'R'.charCodeAt(0)
const SASL = 10

/**
 * The password for the authentication that the server asks for on this socket, as libpq sends it: prepared by SASLprep
 * for SCRAM, as it is for every other method. To be called before anything is sent.
 */
export function passwordFor (socket: Socket, { password }: Address): string | (() => string) {
  const prepared = saslprep(password)
  if (prepared === password) return password
  let isScram = true
  socket.once('data', (message: Buffer) => {
    if (message.length >= 9 && message[0] === AUTHENTICATION) isScram = message.readInt32BE(5) === SASL
  })
  return () => isScram ? prepared : password
}
