import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ROOT, text, yaml } from './deploy-files.ts'
import { freePort, stop, until } from './live-service.ts'

/** The reason to skip a test that needs Debian's package `prometheus`, or false if the program is installed. */
export function notInstalled (program: 'prometheus' | 'promtool'): string | false {
  return spawnSync(program, ['--version']).status === 0
    ? false
    : `${program} is not installed: apt-get install prometheus`
}

export interface Alert {
  labels: { alertname: string; [label: string]: string }
  state: 'pending' | 'firing'
  annotations: Record<string, string>
}
export interface Target { labels: { job: string, instance: string }, health: string, lastError: string }

export interface Prometheus {
  /** The `data` of an API response; throws its error. */
  ask: <T>(path: string, parameters?: Record<string, string>) => Promise<T>
  alerts: () => Promise<Alert[]>
  targets: () => Promise<Target[]>
  stop: () => Promise<unknown>
}

/**
 * Starts a Prometheus with the repository's configuration and rules, but with short intervals: it scrapes and evaluates
 * every 250 ms, and the `for` of an alert is half a second. The windows of rates are unchanged.
 */
export async function startPrometheus (target: URL, token: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  const configuration = yaml('deploy/prometheus/prometheus.yml')
  Object.assign(configuration.global, {
    scrape_interval: '250ms',
    scrape_timeout: '250ms',
    evaluation_interval: '250ms'
  })
  configuration.scrape_configs = configuration.scrape_configs.filter(
    (one: { job_name: string }) => one.job_name === 'running-trainer'
  )
  configuration.scrape_configs[0].static_configs[0].targets = [target.host]
  configuration.scrape_configs[0].authorization.credentials_file = join(folder, 'token')
  writeFileSync(join(folder, 'token'), token)
  writeFileSync(join(folder, 'prometheus.yml'), stringify(configuration))
  writeFileSync(
    join(folder, 'alerts.yml'),
    text('deploy/prometheus/alerts.yml').replace(/^( +for:) \S+$/gm, '$1 500ms')
  )
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn'
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] }
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { said += chunk })

  async function end (): Promise<void> {
    await stop(child)
    rmSync(folder, { recursive: true, force: true })
  }
  async function ask<T> (path: string, parameters: Record<string, string> = {}): Promise<T> {
    const answer = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const body = await answer.json() as { status: string, data: T, error?: string }
    if (body.status !== 'success') throw new Error(`${body.error} in ${JSON.stringify(parameters)}`)
    return body.data
  }
  try {
    await until('Prometheus is ready', 60_000, async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}`)
      return await fetch(`http://${address}/-/ready`).then((answer) => answer.ok || undefined, () => undefined)
    })
  } catch (error) {
    await end()
    throw new Error(`${(error as Error).message}\n${said}`)
  }
  return {
    ask,
    alerts: async () => (await ask<{ alerts: Alert[] }>('alerts')).alerts,
    targets: async () => (await ask<{ activeTargets: Target[] }>('targets')).activeTargets,
    stop: end
  }
}

/** The output of promtool for the repository's rules or for a page of metrics. */
export async function promtool (args: string[], input = ''): Promise<{ status: number | null, output: string }> {
  const child = spawn('promtool', args, { cwd: join(ROOT, 'deploy/prometheus') })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
  }
  // A command without input may end before it is written.
  child.stdin.on('error', () => {}).end(input)
  const [status] = await once(child, 'close') as [number | null]
  return { status, output }
}
