import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const canPin = has('taskset')

/**
 * Who runs where: the server has the first core to itself; the load generator has the second; Postgres has what is
 * left, which on a machine with two cores is the generator's. So nothing ever takes time from what is measured.
 */
export const CORES = coresWith('load')

/**
 * The same where Postgres, if there is no core for it alone, has the `server`'s, as where that has started it, or the
 * one of the `load`.
 */
export function coresWith (beside) {
  const cores = { server: '0', load: '1' }
  return { ...cores, database: availableParallelism() > 2 ? `2-${availableParallelism() - 1}` : cores[beside] }
}

/** Whether processes can be kept on one core: not everywhere, and not with a single one. */
export const pinned = canPin && availableParallelism() > 1

/** A command and its arguments, kept on the cores. */
export function onCores (cores, command, args) {
  return pinned ? ['taskset', ['-c', cores, command, ...args]] : [command, args]
}

/** Moves a running process, and what it will start, to the cores. */
export function moveTo (cores, pid) {
  if (pinned) execFileSync('taskset', ['-a', '-c', '-p', cores, String(pid)], { stdio: 'ignore' })
}

export function has (command) {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
