import { spawn, type ChildProcessByStdio, type SpawnOptions } from 'node:child_process'
import type { Readable } from 'node:stream'

/**
 * Starts Node as it is outside of a test run. The runner puts a preload into `NODE_OPTIONS` of every child, which makes
 * it start later, writes a file of its own as it ends, and fails it with an exception where it may not.
 */
export function spawnNode (
  args: string[],
  options: Omit<SpawnOptions, 'stdio'>
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe']
  })
}
