import { once } from 'node:events'
import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { randomUUID } from 'node:crypto'
import { PASSWORD } from './service.ts'

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Whether it came over a reused connection. */
  reused: boolean
}

export interface HttpCall {
  method?: string
  headers?: Record<string, string>
  /** Sent as JSON. */
  body?: unknown
  /** Sent unchanged, with the content type `type`. */
  bytes?: Buffer
  type?: string
  agent?: Agent | false
  /** After this time without a response the client disconnects, and the call rejects. Default 30 s. */
  patienceMs?: number
}

/**
 * Sends one request over the network with a plain HTTP client. Rejects if there is no complete response.
 */
export async function ask (
  port: number,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
    bytes,
    type = 'application/json',
    agent = false,
    patienceMs = 30_000
  }: HttpCall = {}
): Promise<HttpAnswer> {
  const payload = body === undefined ? bytes : Buffer.from(JSON.stringify(body))
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent,
    signal: AbortSignal.timeout(patienceMs),
    headers: {
      ...(payload === undefined ? {} : { 'content-type': type, 'content-length': String(payload.length) }),
      ...headers
    }
  })
  sent.end(payload)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  if (!response.complete) throw new Error('The answer broke off')
  return { status: response.statusCode as number, headers: response.headers, text, reused: sent.reusedSocket }
}

/**
 * Registers a user over the network and returns the headers for further requests. Retries while the service is busy.
 */
export async function signUp (port: number, patienceMs = 20_000): Promise<{ authorization: string }> {
  const began = performance.now()
  for (;;) {
    const { status, text } = await ask(port, '/api/v1/auth/register', {
      method: 'POST',
      body: { email: `${randomUUID()}@example.org`, password: PASSWORD }
    })
    if (status === 201) return { authorization: `Bearer ${JSON.parse(text).access_token as string}` }
    if (status !== 503 || performance.now() - began > patienceMs) throw new Error(`Sign-up answered ${status}: ${text}`)
  }
}

/** The body of a new plan with this name. */
export function newPlan (name: string) {
  return { name, start_date: '2026-01-05', end_date: '2026-03-29' }
}
