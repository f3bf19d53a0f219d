import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { readShared } from '../../src/transport/shared-read.ts'

/** What begins like this is taken. */
const TAKEN = '!'

/** A server that reads so, and what it had of each connection: in the order they came. */
async function startReading (t: Test, onSocket: (socket: Socket) => void) {
  const taken: string[] = []
  const server = createServer((socket) => {
    const take = (bytes: Buffer, length: number) =>
      bytes.toString('latin1', 0, 1) === TAKEN && taken.push(bytes.toString('latin1', 0, length)) > 0
    t.ok(readShared(socket, take), 'this Node can')
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  return {
    taken,
    open () {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      t.teardown(() => { socket.destroy() })
      return socket
    }
  }
}

async function textOf (socket: Socket): Promise<string> {
  let text = ''
  for await (const bytes of socket) text += (bytes as Buffer).toString('latin1')
  return text
}

t.test('what many connections bring at once comes out of each as it came', async (t) => {
  const texts: Array<Promise<string>> = []
  const { open } = await startReading(t, (socket) => texts.push(textOf(socket)))
  const sent = Array.from({ length: 20 }, (_, n) => `${n}:`.padEnd(1 + n * n * 800, String.fromCharCode(97 + n)))
  const clients = sent.map((text) => open().end(text, 'latin1'))
  await Promise.all(clients.map(async (client) => { await once(client.resume(), 'close') }))
  const received = await Promise.all(texts)
  t.same(received.sort(), sent.sort())
})

t.test('what is taken does not come out, and what comes after it does', async (t) => {
  const sockets: Socket[] = []
  const { taken, open } = await startReading(t, (socket) => {
    sockets.push(socket)
    socket.on('data', (bytes) => { socket.write(`out: ${bytes.toString()}`) })
  })
  const client = open()
  client.write('one')
  t.equal(String((await once(client, 'data'))[0]), 'out: one')
  client.write('!two')
  while (taken.length === 0) await new Promise(setImmediate)
  client.write('three')
  t.equal(String((await once(client, 'data'))[0]), 'out: three')
  t.same(taken, ['!two'])
  t.equal(sockets[0]?.bytesRead, 'one!twothree'.length)
})

t.test('nothing is taken past what waits, and who reads nothing is sent no more than fits', async (t) => {
  const arrived: Socket[] = []
  const { taken, open } = await startReading(t, (socket) => arrived.push(socket))
  const client = open()
  client.write('!one')
  while (arrived[0]?.readableLength !== 4) await new Promise(setImmediate)
  const rest = 'x'.repeat(16_000_000)
  t.notOk(client.end(`!two${rest}`, 'latin1').writableLength === 0)
  const [socket] = arrived as [Socket]
  while (socket.readableLength < socket.readableHighWaterMark) await new Promise(setImmediate)
  t.ok(socket.bytesRead <= socket.readableHighWaterMark + 65_536)
  t.same(taken, [])
  t.equal(await textOf(socket), `!one!two${rest}`)
})

t.test('a stream that pauses gets the rest when it goes on', async (t) => {
  const texts: string[] = []
  const sockets: Socket[] = []
  const { taken, open } = await startReading(t, (socket) => {
    sockets.push(socket)
    socket.on('data', (bytes) => { texts.push(bytes.toString()) })
    socket.once('data', () => { socket.pause().write('paused') })
  })
  const client = open()
  client.write('one')
  t.equal(String((await once(client, 'data'))[0]), 'paused')
  client.end('two!three')
  await once(client, 'finish')
  t.same(texts, ['one'])
  const [socket] = sockets as [Socket]
  await once(socket.resume(), 'end')
  t.equal(texts.join(''), 'onetwo!three')
  t.same(taken, [])
})

t.test('a connection that is gone is left as it is', async (t) => {
  const sockets: Socket[] = []
  const { open } = await startReading(t, (socket) => sockets.push(socket))
  open().write('x')
  while (sockets.length === 0) await new Promise(setImmediate)
  const [socket] = sockets as [Socket]
  socket.destroy()
  t.notOk(readShared(socket, () => true))
})
