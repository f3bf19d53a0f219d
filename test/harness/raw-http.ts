import { connect } from 'node:net'
import { once } from 'node:events'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends bytes as they are and reads all answers until the other side closes the connection. */
export async function exchange (
  port: number,
  bytes: string | Buffer,
  { end = false }: { end?: boolean } = {}
): Promise<RawAnswer[]> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.write(bytes)
  if (end) socket.end()
  await closed
  return answersIn(Buffer.concat(chunks).toString('latin1'))
}

/**
 * The answers in what a connection gave, but for those that only say to go on (1xx). Throws where there is something
 * else between them.
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
  // An answer to HEAD has the headers of a body, and none; no body of this service begins like an answer.
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
    // Cut off before its end.
    if (line === -1 || Number.isNaN(size)) return { body, after: '' }
    body += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 2 + size + 2)
    if (size === 0) return { body, after: rest }
  }
}
