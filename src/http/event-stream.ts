/** An event as `EventSource` receives it. */
export interface ServerEvent {
  event: string
  /** What a client that connects again says it had last. */
  id?: string
  data: unknown
}

/**
 * The text of server-sent events, each sent when the client takes it. While there is none, a comment keeps the
 * connection from being taken for dead.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function * eventStream (
  events: AsyncIterable<ServerEvent | undefined>,
  { heartbeatMs }: { heartbeatMs: number }
): AsyncGenerator<string> {
  let sentMs = performance.now()
  // The head of the response goes out at once.
  yield ': events\n\n'
  for await (const event of events) {
    const nowMs = performance.now()
    if (event === undefined && nowMs - sentMs < heartbeatMs) continue
    sentMs = nowMs
    yield event === undefined ? ': still here\n\n' : textOf(event)
  }
}

function textOf ({ event, id, data }: ServerEvent): string {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
