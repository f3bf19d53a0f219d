import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { ask } from './http-client.ts'
import { freePort, until } from './live-service.ts'
import { ReadinessProxy } from './readiness-proxy.ts'

export const HAPROXY_CONFIG = 'deploy/haproxy/haproxy.cfg'
/** How long an instance may take for an answer before a request is sent to another one. */
const ANSWER_MS = 3000
const PROBE_MS = 200

/** A proxy before several instances, which are numbered from 0 on. */
export interface Balancer {
  name: string
  port: number
  /** Resolves when it notices that an instance is ready, or no longer is, from now on. */
  turned (instance: number, ready: boolean): Promise<void>
}

export function hasHaproxy (): boolean {
  return spawnSync('haproxy', ['-v']).status === 0
}

/** HAProxy as it is deployed; without HAProxy a proxy that does the same. */
export async function startBalancer (t: Pick<Test, 'teardown'>, ports: number[]): Promise<Balancer> {
  return hasHaproxy() ? await startHaproxy(t, ports) : await startOwn(t, ports)
}

async function startOwn (t: Pick<Test, 'teardown'>, ports: number[]): Promise<Balancer> {
  const proxy = await ReadinessProxy.start(PROBE_MS, { repeatsAfterMs: ANSWER_MS })
  t.teardown(() => proxy.close())
  for (const port of ports) await proxy.add(port)
  return {
    name: 'the own proxy',
    port: proxy.port,
    turned: async (instance, ready) => await proxy.turned(ports[instance] as number, ready)
  }
}

async function startHaproxy (t: Pick<Test, 'teardown'>, ports: number[]): Promise<Balancer> {
  const port = await freePort()
  const child = spawn('haproxy', ['-db', '-f', HAPROXY_CONFIG], {
    env: {
      PATH: process.env.PATH,
      HAPROXY_BIND: `127.0.0.1:${port}`,
      HAPROXY_SERVER_TIMEOUT: `${ANSWER_MS}ms`,
      ...Object.fromEntries(ports.map((each, i) => [`INSTANCE_${i + 1}`, `127.0.0.1:${each}`]))
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const listeners = new Set<(line: string) => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      for (const listener of listeners) listener(line)
    })
  }
  await until('HAProxy listens', 10_000, async () => await ask(port, '/health/live').then(() => true, () => undefined))
  return {
    name: 'HAProxy',
    port,
    turned: async (instance, ready) => await new Promise<void>((resolve) => {
      const pattern = new RegExp(`instance-${instance + 1} is ${ready ? 'UP' : 'DOWN'}`)
      const listener = (line: string) => {
        if (!pattern.test(line)) return
        listeners.delete(listener)
        resolve()
      }
      listeners.add(listener)
    })
  }
}
