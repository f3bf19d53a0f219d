import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends raw bytes and reads all responses until the other side closes the connection. */
export async function exchange (
  port: number,
  bytes: string | Buffer,
  { end = false }: { end?: boolean } = {}
): Promise<RawAnswer[]> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  // Not `once`, which rejects on an error: a service that refuses a body may close before all of it is sent.
  const closed = new Promise((resolve) => socket.on('close', resolve))
  socket.write(bytes)
  if (end) socket.end()
  await closed
  return answersIn(Buffer.concat(chunks).toString('latin1'))
}

/**
 * The responses in the bytes of a connection, without interim ones (1xx). Throws if there is anything else.
 */
export function answersIn (text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = text
  while (rest !== '') {
    const split = rest.indexOf('\r\n\r\n')
    if (!rest.startsWith('HTTP/1.1 ') || split === -1) throw new Error(`No answer, but: ${rest.slice(0, 200)}`)
    const [first = '', ...lines] = rest.slice(0, split).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
    )
    const status = Number(first.split(' ')[1])
    const { body, after } = bodyIn(rest.slice(split + 4), status, headers)
    rest = after
    if (status >= 200) answers.push({ status, headers, body: Buffer.from(body, 'latin1').toString('utf8') })
  }
  return answers
}

function bodyIn (text: string, status: number, headers: Record<string, string>): { body: string, after: string } {
  // A response to HEAD has the headers of a body but no body; no body of this service begins like a response.
  if (status < 200 || status === 204 || status === 304 || text === '' || text.startsWith('HTTP/1.1 ')) { return { body: '', after: text } }
  if (headers['transfer-encoding'] === 'chunked') return chunksIn(text)
  const length = Number(headers['content-length'] ?? 0)
  return { body: text.slice(0, length), after: text.slice(length) }
}

function chunksIn (text: string): { body: string, after: string } {
  let body = ''
  let rest = text
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = parseInt(rest.slice(0, line), 16)
    // Truncated.
    if (line === -1 || Number.isNaN(size)) return { body, after: '' }
    body += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 2 + size + 2)
    if (size === 0) return { body, after: rest }
  }
}
