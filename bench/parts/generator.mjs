// A load generator on raw sockets, for where wrk is not, and for open load, which wrk does not do: `node generator.mjs
// load.json`. Options: port, requests, connections, seconds, rate (requests a second; 0: each connection asks again as
// soon as it is answered), warmMs (for so long first what does not count: a generator whose own code is not compiled
// yet takes its answers late, and calls it latency), patienceMs (a later answer is not counted as in time), pid (a
// process whose processor time is told).
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpuUsOf } from './cpu.mjs'
import { quantile } from './figures.mjs'

const {
  port,
  requests,
  connections,
  seconds,
  rate,
  warmMs = 0,
  pid = process.pid,
  giveUpMs = 10_000,
  patienceMs = Infinity,
  perSecond = false
} = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const bytes = requests.map(({ method, path, headers, body = '' }) =>
  Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
      Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('') +
      (body === '' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`) +
      `\r\n${body}`
  )
)

// It shares its core with the database, as their equal: it sends up to 15 ms late, and that counts as latency. With a
// right to go first (chrt -f) it is woken for each single answer, takes all of the core for it, and the service, whose
// database gets none, does 4 % of its capacity.

/**
 * What every connection reads into. With a buffer made for each read the generator took 20 µs a request of the core it
 * shares with the database, not 16.
 */
const INPUT = Buffer.allocUnsafeSlow(65_536)
/** As many as the service is usually warmed up by. */
const WARM_CONNECTIONS = 64
/** When the clock began to run: not before all are connected, as a listener's queue is short. */
let startedMs = Infinity
let endsMs = Infinity
/** By status, 0 for those that got no answer at all: since each should have been sent, and since it was. */
const latencies = new Map()
const slices = []
let turn = 0
/** By how much each was sent later than it should have been, in ms. */
const lateness = []
let withoutRetryAfter = 0
let sent = 0
let unsent = 0
let open = 0
/** What this process and the other have used since the clock began to run. */
let usedUs

function record (status, ms, ownMs, head) {
  if (!latencies.has(status)) latencies.set(status, { all: [], own: [] })
  latencies.get(status).all.push(ms)
  latencies.get(status).own.push(ownMs)
  if ((status === 503 || status === 429) && !/\r\nretry-after:/i.test(head)) withoutRetryAfter++
  if (perSecond) {
    const slice = slices[Math.floor((performance.now() - startedMs) / 1000)] ??= {}
    slice[status] = (slice[status] ?? 0) + 1
  }
}

/** One connection: a request, then its answer. */
class Client {
  constructor (onFree) {
    this.onFree = onFree
    this.sinceMs = 0
    this.sentMs = 0
    this.busy = false
    this.ended = false
    this.connect()
  }

  connect () {
    this.text = ''
    const onread = { buffer: INPUT, callback: (length) => { this.read(INPUT.latin1Slice(0, length)) } }
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.connected = new Promise((resolve) => { this.socket.once('connect', resolve).once('close', resolve) })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      // Before it is done, as it may be asked again at once.
      if (performance.now() < endsMs && !this.ended) this.connect()
      if (this.busy) this.done(0, '')
    })
  }

  end () {
    this.ended = true
    this.socket.destroy()
  }

  /** `dueMs`: when it should have been sent; what the generator is late counts as latency too. */
  send (dueMs) {
    this.busy = true
    open++
    this.sinceMs = dueMs
    this.sentMs = performance.now()
    turn = (turn + 1) % bytes.length
    this.socket.write(bytes[turn])
  }

  read (text) {
    this.text = this.text === '' ? text : this.text + text
    const head = this.text.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.text.slice(0, head))?.[1] ?? 0)
    if (this.text.length < head + 4 + length) return
    const status = Number(this.text.slice(9, 12))
    const answer = this.text.slice(0, head + 2)
    this.text = ''
    this.done(status, answer)
  }

  done (status, head) {
    if (!this.busy) return
    this.busy = false
    open--
    const nowMs = performance.now()
    record(status, nowMs - this.sinceMs, nowMs - this.sentMs, head)
    this.onFree(this)
  }
}

const free = []
const again = (client) => { if (performance.now() < endsMs) client.send(performance.now()) }
const rest = (client) => {
  free.push(client)
  sendDue(performance.now())
}

if (warmMs > 0) await warmUp()
const clients = await connected(connections, rate === 0 ? again : rest)
const ownUs = cpuUsOf(process.pid)
const otherUs = cpuUsOf(pid)
startedMs = performance.now()
endsMs = startedMs + seconds * 1000
setTimeout(finish, seconds * 1000)
if (rate === 0) for (const client of clients) again(client)
else {
  free.push(...clients)
  const tick = () => {
    sendDue(performance.now())
    if (performance.now() < endsMs) setTimeout(tick, 1)
  }
  tick()
}

/** So many at a time, as a listener's queue is short. */
async function connected (count, onFree) {
  const clients = []
  while (clients.length < count) {
    const some = Array.from({ length: Math.min(100, count - clients.length) }, () => new Client(onFree))
    await Promise.all(some.map((client) => client.connected))
    clients.push(...some)
  }
  return clients
}

/** A closed load by connections of its own, of which nothing is kept: those that count have asked nothing before. */
async function warmUp () {
  startedMs = performance.now()
  endsMs = startedMs + warmMs
  const clients = await connected(WARM_CONNECTIONS, again)
  for (const client of clients) again(client)
  await new Promise((resolve) => { setTimeout(resolve, warmMs) })
  await answered()
  if (open > 0) throw new Error(`${open} requests to warm up by were never answered`)
  for (const client of clients) client.end()
  startedMs = endsMs = Infinity
  latencies.clear()
  slices.length = 0
  withoutRetryAfter = 0
}

/**
 * In an open load. Also between two of many answers that come at once: to read a thousand takes 20 ms, in which nothing
 * would be sent, and then all of it.
 */
function sendDue (nowMs) {
  const due = Math.floor((Math.min(nowMs, endsMs) - startedMs) / 1000 * rate)
  for (; sent < due; sent++) {
    const client = free.pop()
    // All connections wait for answers: the client of an open load would open one more. It is counted as not sent.
    if (client === undefined) unsent++
    else {
      const dueMs = startedMs + sent / rate * 1000
      lateness.push(nowMs - dueMs)
      client.send(dueMs)
    }
  }
}

async function finish () {
  usedUs = { cpuUs: cpuUsOf(process.pid) - ownUs, ofPidUs: cpuUsOf(pid) - otherUs }
  if (rate > 0) await answered()
  report()
}

/** When all that was asked is answered, or is not worth waiting for any longer. */
async function answered () {
  const cutMs = performance.now() + giveUpMs
  await new Promise((resolve) => {
    const wait = () => open > 0 && performance.now() < cutMs ? setTimeout(wait, 10) : resolve()
    wait()
  })
}

function report () {
  const ok = [...latencies].filter(([status]) => status >= 200 && status < 300).flatMap(([, { all }]) => all)
  const all = [...latencies.values()].flatMap(({ all }) => all)
  const byStatus = Object.fromEntries(
    [...latencies].map(([status, { all, own }]) => [
      status,
      {
        count: all.length,
        inTime: all.filter((ms) => ms <= (patienceMs ?? Infinity)).length,
        p50: quantile(all, 0.5),
        p99: quantile(all, 0.99),
        ownP99: quantile(own, 0.99),
        max: quantile(all, 1)
      }
    ])
  )
  process.stdout.write(JSON.stringify({
    requests: all.length,
    failed: all.length - ok.length,
    seconds: (performance.now() - startedMs) / 1000,
    p50: quantile(ok, 0.5) ?? 0,
    p90: quantile(ok, 0.9) ?? 0,
    p99: quantile(ok, 0.99) ?? 0,
    byStatus,
    withoutRetryAfter,
    unanswered: open,
    unsent,
    lateP99: quantile(lateness, 0.99) ?? 0,
    ...usedUs,
    slices
  }), () => process.exit(0))
}
