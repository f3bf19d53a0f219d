import type { Connection } from './connection.ts'
import type { Probe } from './probe.ts'
import type { Statement } from './statement.ts'

/** The server is asked about a statement without an answer after so long. */
const DOUBT_AFTER_MS = 1000
/** An answer the server has given may still lie unread here; if it is not read by then, it was lost. */
const UNREAD_MS = 100

/** A statement that has had no answer for a while, and by which the server knows its connection. */
export interface Doubted { connection: Connection, statement: Statement, pid: number }

export function doubtedOf (connections: Iterable<Connection>, now: number): Doubted[] {
  const doubted: Doubted[] = []
  for (const connection of connections) {
    const { head, key } = connection
    if (head !== undefined && key !== undefined && now - head.startedAt >= DOUBT_AFTER_MS) {
      doubted.push({ connection, statement: head, pid: key.pid })
    }
  }
  return doubted
}

/**
 * After a network has swallowed statements or their answers, their connections would be stuck until the deadlines, and
 * with them the pool, though the server is back. So the server is asked what it works on. Not through a pooler, where
 * it cannot be seen which backend works for which connection.
 */
export async function destroyLost (doubted: Doubted[], probe: Probe): Promise<void> {
  try {
    const { idle, by } = await probe.idleOf(doubted.map(({ pid }) => pid))
    await new Promise((resolve) => setTimeout(resolve, UNREAD_MS))
    for (const { connection, statement, pid } of doubted) {
      if (connection.head !== statement) continue
      // Another server says nothing about the statement, unless the writes are its by now.
      const isLost = connection.server === by.server ? idle.has(pid) : by.takesWrites
      if (isLost) connection.destroy(new Error('The server knows nothing of the statement: it was lost on the way'))
    }
  } catch {
    // No answer, no judgement: the deadlines hold in any case.
  }
}
