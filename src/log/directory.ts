import { mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * Creates a directory and its parents, one after the other. Not `recursive: true`: if the system answers every attempt
 * with ENOENT (/proc, some network mounts), Node then loops for ever at full speed.
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
      // Another process created it first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(path)) throw error
    }
  }
}

function isDirectory (path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** The older files `NAME.N.log` of a directory, by number, and the largest N in use. */
function olderFiles (directory: string, name: string): { numbers: number[], largest: number } {
  const numbers: number[] = []
  let largest = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!entry.name.startsWith(`${name}.`) || !entry.name.endsWith('.log')) continue
    const digits = entry.name.slice(name.length + 1, -4)
    // Only names in our own form: `app.007.log` or `app.20240101120000000000.log` belong to another program.
    if (!/^[1-9]\d{0,14}$/.test(digits)) continue
    const number = Number(digits)
    largest = Math.max(largest, number)
    if (entry.isFile()) numbers.push(number)
  }
  return { numbers: numbers.sort((a, b) => a - b), largest }
}

/** Removes the oldest files until at most `kept` are left. Returns the next free number. */
export function prune (directory: string, name: string, kept: number): number {
  const { numbers, largest } = olderFiles(directory, name)
  for (const number of numbers.slice(0, Math.max(0, numbers.length - kept))) {
    try {
      unlinkSync(join(directory, `${name}.${number}.log`))
    } catch (error) {
      // Already gone, or no permission: tried again at the next rotation.
      if (!['ENOENT', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return largest + 1
}

/**
 * Moves the full file to the older ones, under the next number. Old files are removed first, so that there are never
 * more than `kept`.
 */
export function putAside (directory: string, name: string, kept: number): void {
  const number = prune(directory, name, kept - 1)
  const current = join(directory, `${name}.log`)
  if (kept === 0) return unlinkSync(current)
  try {
    renameSync(current, join(directory, `${name}.${number}.log`))
  } catch (error) {
    // Another program has already moved it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
