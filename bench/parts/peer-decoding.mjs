// What any decoder of FIT files in Node does, and nothing else: all of a file, by the official decoder, as its README
// says. Asked `{ base64, times }` it answers what one time took of its processor, in µs.
import { createServer } from 'node:http'
import { Decoder, Stream } from '@garmin/fitsdk'

process.on('message', ({ base64, times }) => {
  const bytes = Buffer.from(base64, 'base64')
  const before = process.cpuUsage()
  for (let n = 0; n < times; n++) new Decoder(Stream.fromBuffer(bytes)).read()
  const { user, system } = process.cpuUsage(before)
  process.send((user + system) / times)
})
// To be started and asked whether it is ready as all servers are.
createServer((_request, response) => response.end()).listen(Number(process.env.PORT), process.env.HOST)
