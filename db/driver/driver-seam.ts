import type { Socket } from 'node:net'
import postgres from 'postgres'

export type Driver = postgres.Sql<Record<string, unknown>>

/**
 * The one place that leans on what postgres.js does and does not document, for which its version is pinned: a client
 * over one socket that is open already, and never over another.
 *
 * The `socket` option is documented; that the driver calls it again for each reconnection, and fails the query that is
 * waiting when it throws, is not. Without that, the driver reconnects by itself: a statement of a transaction would
 * land on a new connection, and the rest of the transaction would be committed alone.
 *
 * A version that asks for its socket only once, asks for it before the first statement, or waits for ever when it gets
 * none breaks this. test/database/driver-seam.test.ts tells.
 */
export function driverOver (
  socket: Socket,
  options: postgres.Options<Record<string, postgres.PostgresType>>,
  lost: () => unknown
): Driver {
  let given = false
  return postgres({
    ...options,
    max: 1,
    socket: () => {
      if (given) throw lost() ?? new Error('The connection was lost')
      given = true
      return socket
    }
  } as postgres.Options<Record<string, postgres.PostgresType>>)
}
