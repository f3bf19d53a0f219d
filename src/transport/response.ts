import { ServerResponse, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'

/** Headers that responses have in common, in the form in which Node takes them: name, value, name, value, … */
export interface CommonHeaders {
  readonly flat: readonly string[]
  /** The index in `flat` of the value of each. */
  readonly places: ReadonlyMap<string, number>
}

export function commonHeaders (headers: Readonly<Record<string, string>>): CommonHeaders {
  return {
    flat: Object.entries(headers).flat(),
    places: new Map(Object.keys(headers).map((name, i) => [name, 2 * i + 1]))
  }
}

/**
 * Node's response, with headers that all responses have in common. Put into each reply one by one, the nine headers
 * took 2 of the 31 µs of the probe route; here they go to Node as one list.
 *
 * This file leans on two things that are not documented: that Fastify sends the headers of a reply by one call of
 * `writeHead(status, headers)`, and that Node itself calls the public `writeHead` of a response whose headers were only
 * set, as those of a stream are. If either changed, responses would lose the common headers; they would have no other
 * fault. `test/http/response.test.ts` and `test/http/security.test.ts` would then say which headers are missing.
 */
export class Response<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  /** Sent with the headers of the response itself, which take precedence. */
  common: CommonHeaders | undefined

  override writeHead (status: number, ...rest: any[]): this {
    if (this.common === undefined) return super.writeHead(status, ...rest)
    const [headers] = rest as [OutgoingHttpHeaders | undefined]
    if (rest.length !== 1 || typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
      this.#setCommon(this.common)
      return super.writeHead(status, ...rest)
    }
    const { flat, places } = this.common
    const all = flat.slice() as any[]
    for (const name in headers) {
      const value = headers[name]
      const place = places.get(name)
      if (place === undefined) all.push(name, value)
      else all[place] = name === 'vary' ? joined(flat[place], value) : value
    }
    return super.writeHead(status, all)
  }

  /** For a response whose headers were set before, as those of a stream are. */
  #setCommon ({ flat, places }: CommonHeaders): void {
    for (const [name, place] of places) {
      const value = flat[place] as string
      if (!this.hasHeader(name)) this.setHeader(name, value)
      else if (name === 'vary') this.setHeader(name, joined(value, this.getHeader(name)))
    }
  }
}

/** All headers that the response depends on, those of both lists. */
function joined (common: unknown, own: unknown): string {
  return String(own).includes(String(common)) ? String(own) : `${String(common)}, ${String(own)}`
}
