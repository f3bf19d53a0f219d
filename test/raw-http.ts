import { connect } from 'node:net'
import { once } from 'node:events'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends bytes as they are and reads all answers until the other side closes the connection. */
export async function exchange (port: number, bytes: string | Buffer, { end = false }: { end?: boolean } = {}): Promise<RawAnswer[]> {
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

/** The answers in what a connection gave, which has no chunked ones. */
export function answersIn (text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = text
  while (rest.startsWith('HTTP/1.1 ')) {
    const split = rest.indexOf('\r\n\r\n')
    const [first = '', ...lines] = rest.slice(0, split).split('\r\n')
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const status = Number(first.split(' ')[1])
    const length = Number(headers['content-length'] ?? 0)
    const body = rest.slice(split + 4, split + 4 + length)
    answers.push({ status, headers, body: Buffer.from(body, 'latin1').toString('utf8') })
    rest = rest.slice(split + 4 + length)
    if (status === 100) continue
  }
  return answers
}
