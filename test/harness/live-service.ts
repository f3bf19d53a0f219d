import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { spawnNode } from './plain-node.ts'

/** The reason to skip a test that needs the built service, or false if it is built. */
export function notBuilt (folder: string): string | false {
  return existsSync(join(folder, 'dist/src/server.js'))
    ? false
    : 'dist/src/server.js is not there: build the service first'
}

/** A port that is currently free. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Repeats `ask` until it returns something other than undefined; throws an error that names `what` after `deadlineMs`.
 */
export async function until<T> (what: string, deadlineMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + deadlineMs
  while (performance.now() < end) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await pause(100)
  }
  throw new Error(`Not within ${deadlineMs} ms: ${what}`)
}

/** Ends a running child with SIGTERM, then SIGKILL; returns its exit code. */
export async function stop (child: ChildProcess, graceMs = 15_000): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await exited
  clearTimeout(force)
  return child.exitCode
}

export interface LiveService {
  url: string
  /** Its output so far, of both streams. */
  output: () => string
  /** Sends SIGTERM and returns the exit code. */
  stop: () => Promise<number | null>
}

export interface Start {
  /** The directory with dist/ and node_modules/; also the working directory. */
  folder: string
  env: Record<string, string>
  uid?: number
  gid?: number
  deadlineMs?: number
}

/** Starts the built service on a free port, with only the given variables, and waits until it is alive. */
export async function startService ({ folder, env, uid, gid, deadlineMs = 120_000 }: Start): Promise<LiveService> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawnNode(['dist/src/server.js'], {
    cwd: folder,
    env: { PATH: process.env.PATH!, HOST: '127.0.0.1', PORT: String(port), SHUTDOWN_DRAIN_DELAY: '0', ...env },
    ...(uid !== undefined && { uid, gid })
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  try {
    await until('/health/live answers', deadlineMs, async () => {
      if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}:\n${output}`)
      return await fetch(`${url}/health/live`).then((answer) => answer.ok || undefined, () => undefined)
    })
  } catch (error) {
    await stop(child, 0)
    throw new Error(`${(error as Error).message}\n${output}`)
  }
  return { url, output: () => output, stop: () => stop(child) }
}

/**
 * Posts JSON and, as a client should, retries while the response is 503: a process that has just started on a busy
 * machine may shed load.
 */
export async function post (url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return await until(`POST ${url} is taken`, 60_000, async () => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body)
    })
    return answer.status === 503 ? undefined : answer
  })
}
