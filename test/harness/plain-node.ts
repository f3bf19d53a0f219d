import { spawn, type ChildProcessByStdio, type SpawnOptions } from 'node:child_process'
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
