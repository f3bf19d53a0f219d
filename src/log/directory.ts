import { mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * Makes a directory and those above it, one after the other. Not `recursive: true`: where the system answers ENOENT to
 * every attempt (/proc, some network mounts) Node then goes round for ever at full speed.
 */
export function makeDirectory (directory: string): void {
  const missing: string[] = []
  let at = resolve(directory)
  while (!isDirectory(at)) {
    missing.push(at)
    const above = dirname(at)
    if (above === at) break
    at = above
  }
  for (const path of missing.reverse()) {
    try {
      mkdirSync(path)
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(path)) throw error
    }
  }
}

function isDirectory (path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** The older files `NAME.N.log` of a directory, by number, and the largest N that is taken by anything. */
function olderFiles (directory: string, name: string): { numbers: number[], largest: number } {
  const numbers: number[] = []
  let largest = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!entry.name.startsWith(`${name}.`) || !entry.name.endsWith('.log')) continue
    const digits = entry.name.slice(name.length + 1, -4)
    // As we write them ourselves; `app.007.log` or `app.20240101120000000000.log` are somebody else's.
    if (!/^[1-9]\d{0,14}$/.test(digits)) continue
    const number = Number(digits)
    largest = Math.max(largest, number)
    if (entry.isFile()) numbers.push(number)
  }
  return { numbers: numbers.sort((a, b) => a - b), largest }
}

/** Removes the oldest files until at most `kept` are left. Answers the first number after all that are there. */
export function prune (directory: string, name: string, kept: number): number {
  const { numbers, largest } = olderFiles(directory, name)
  for (const number of numbers.slice(0, Math.max(0, numbers.length - kept))) {
    try {
      unlinkSync(join(directory, `${name}.${number}.log`))
    } catch (error) {
      // Gone already, or not ours to remove: tried again at the next roll.
      if (!['ENOENT', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return largest + 1
}

/**
 * Puts the full file among the older ones, under the next number, with room made for it first so that there are never
 * more than `kept`.
 */
export function putAside (directory: string, name: string, kept: number): void {
  const number = prune(directory, name, kept - 1)
  const current = join(directory, `${name}.log`)
  if (kept === 0) return unlinkSync(current)
  try {
    renameSync(current, join(directory, `${name}.${number}.log`))
  } catch (error) {
    // Somebody has moved it already.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
