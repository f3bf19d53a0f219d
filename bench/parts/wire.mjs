import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CORES, has, onCores } from './cores.mjs'

/** Whether what passes can be listened to: by tcpdump, as root. */
export const canListen = has('tcpdump') && process.getuid?.() === 0

/** Of an Ethernet frame, as the loopback device has them. */
const LINK_BYTES = 14
const FILE_HEAD_BYTES = 24
const RECORD_HEAD_BYTES = 16

/**
 * Listens to the port until `close`, which answers how long answers took, in ms, by status: from when the kernel had
 * the last of the request to when it had the first of the answer. So nothing of it is the generator's, which takes its
 * answers late where it has no core to itself. Listening takes from that core, too.
 */
export async function listen (port) {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-wire-'))
  const file = join(folder, 'wire.pcap')
  const withPayload = '(ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2) != 0'
  const [command, args] = onCores(CORES.load, 'tcpdump', [
    '-i',
    'lo',
    '-s',
    '100',
    '-B',
    '65536',
    '-w',
    file,
    `tcp port ${port} and ${withPayload}`
  ])
  const dump = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  // Not at its exit: what it says last may not have been read then.
  const end = once(dump, 'close')
  await new Promise((resolve, reject) => {
    dump.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      if (said.includes('listening on')) resolve()
    })
    end.then(() => { reject(new Error(`tcpdump ended: ${said}`)) })
  })
  return {
    async close () {
      try {
        dump.kill('SIGINT')
        await end
        const dropped = Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1])
        if (dropped !== 0) throw new Error(`tcpdump missed packets: ${said}`)
        return answersIn(readFileSync(file), port)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
  }
}

function answersIn (bytes, port) {
  const asked = new Map()
  const answers = new Map()
  let next
  for (let at = FILE_HEAD_BYTES; at + RECORD_HEAD_BYTES <= bytes.length; at = next) {
    const ms = bytes.readUInt32LE(at) * 1e3 + bytes.readUInt32LE(at + 4) / 1e3
    next = at + RECORD_HEAD_BYTES + bytes.readUInt32LE(at + 8)
    const ip = at + RECORD_HEAD_BYTES + LINK_BYTES
    const tcp = ip + (bytes[ip] & 15) * 4
    const [from, to] = [bytes.readUInt16BE(tcp), bytes.readUInt16BE(tcp + 2)]
    if (to === port) {
      asked.set(from, ms)
    } else if (asked.has(to)) {
      const head = tcp + (bytes[tcp + 12] >> 4) * 4
      const status = Number(bytes.latin1Slice(head + 'HTTP/1.1 '.length, head + 'HTTP/1.1 200'.length))
      if (!answers.has(status)) answers.set(status, [])
      answers.get(status).push(ms - asked.get(to))
      asked.delete(to)
    }
  }
  return answers
}
