import { spawn, type ChildProcessByStdio, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

/**
 * Starts Node as it is outside of a test run. The runner puts a preload into `NODE_OPTIONS` of every child, which makes
 * it start later, writes a file of its own as it ends, and fails it with an exception where it may not. With
 * `descriptors`, it may open so many at most.
 */
export function spawnNode (
  args: string[],
  { descriptors, ...options }: Omit<SpawnOptions, 'stdio'> & { descriptors?: number | undefined }
): ChildProcessByStdio<null, Readable, Readable> {
  const command = ['env', '-u', 'NODE_OPTIONS', process.execPath, ...args]
  const limited = descriptors === undefined ? command : ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh', ...command]
  const [program, ...own] = limited as [string, ...string[]]
  return spawn(program, own, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

/** Runs Node to its end, with only the given variables and `PATH`; this process goes on meanwhile. */
export async function runNode (
  args: string[],
  { cwd, env = {} }: { cwd?: string, env?: Record<string, string> } = {}
): Promise<{ status: number | null, stdout: string, stderr: string }> {
  const child = spawnNode(args, { cwd, env: { PATH: process.env.PATH, ...env } })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => { output[name] += text })
  }
  const [status] = await once(child, 'close') as [number | null]
  return { status, ...output }
}
