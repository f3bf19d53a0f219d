// All requests at once, each over a connection of its own: `node burst.mjs load.json`. Options: port, requests.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'

const { port, requests } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const agent = new Agent({ keepAlive: false, maxSockets: Infinity })

const startedMs = performance.now()
const answered = await Promise.all(requests.map(ask))
const ms = performance.now() - startedMs
const statuses = {}
for (const status of answered) statuses[status] = (statuses[status] ?? 0) + 1
process.stdout.write(JSON.stringify({ ms, statuses }), () => process.exit(0))

/** The status of the whole answer; what went wrong, where there is none. */
function ask ({ method, path, headers, body }) {
  return new Promise((resolve) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    request({ host: '127.0.0.1', port, method, path, agent, headers: { ...headers, ...length } }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode)).on('error', (error) => resolve(error.code))
    }).on('error', (error) => resolve(error.code)).end(body)
  })
}
