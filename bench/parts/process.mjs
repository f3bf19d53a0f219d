import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { onCores } from './cores.mjs'
import { cpuUsOf } from './cpu.mjs'

const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))
const running = new Set()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })

/** A Node process on its own port, with what it costs. */
export class ServerProcess {
  /** Started and answering `readyPath` with 200. `node` are arguments to Node itself. */
  static async start ({ name, script, env = {}, cores, node = [], readyPath = '/', cwd }) {
    const port = await freePort()
    const [command, args] =
      cores === undefined ? [process.execPath, [...node, script]] : onCores(cores, process.execPath, [...node, script])
    const started = performance.now()
    const child = spawn(command, args, {
      cwd,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, HOST: '127.0.0.1', PORT: String(port), ...env },
      stdio: ['ignore', env.BENCH_STDOUT === 'show' ? 'inherit' : 'ignore', 'inherit', 'ipc']
    })
    running.add(child)
    child.once('exit', () => running.delete(child))
    const server = new ServerProcess(name, child, port)
    await server.#untilReady(readyPath)
    server.readyMs = performance.now() - started
    return server
  }

  constructor (name, child, port) {
    this.name = name
    this.child = child
    this.pid = child.pid
    this.port = port
    this.url = `http://127.0.0.1:${port}`
  }

  async #untilReady (path) {
    for (;;) {
      if (this.child.exitCode !== null) { throw new Error(`${this.name} ended with ${this.child.exitCode} before it was ready`) }
      try {
        const { status } = await fetch(this.url + path, { headers: { connection: 'close' } })
        if (status === 200) return
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => { setTimeout(resolve, 5) })
    }
  }

  /** Microseconds of processor time, of user and system, so far. */
  cpuUs () {
    return cpuUsOf(this.pid)
  }

  /** Resident memory now. */
  rssBytes () {
    return Number(readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
  }

  descriptors () {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** What it answers to a message, where it was started with something that listens to them. */
  async ask (message) {
    const heard = once(this.child, 'message')
    this.child.send(message)
    const [answer] = await heard
    return answer
  }

  async stop (signal = 'SIGTERM') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill(signal)
    await once(this.child, 'exit')
  }
}

export function freePort () {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
