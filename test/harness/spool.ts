import { readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSpool, type Spool, type SpoolOptions } from '../../src/uploads/spool.ts'

/** A spool in a folder of its own, removed when the test ends. */
export async function openTestSpool (
  t: { teardown (end: () => unknown): unknown },
  options: Partial<SpoolOptions> = {}
): Promise<{ spool: Spool, directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'running-trainer-spool-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return { spool: await openSpool({ directory, ...options }), directory }
}

/** How many files of a folder this process has open that have no name any more. On Linux only. */
export function unlinkedFiles (directory: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(join('/proc/self/fd', fd)).startsWith(directory)
    } catch {
      // Closed meanwhile.
      return false
    }
  }).length
}
