import { deleteAbandonedImport } from '../db/bulk-imports.ts'
import { tryLockJob } from '../db/jobs.ts'
import { transaction, type Sql } from '../db/sql.ts'
import type { JobQueue } from '../db/job-queue.ts'
import type { Job } from '../src/jobs/runner.ts'
import { giveUpImport, workOnImports, type ImportJob, type ImportWork } from '../src/workflows/import-work.ts'
import { SWEEP_INTERVAL_MS } from '../src/workflows/sweep.ts'

/** One look at an index where there is nothing to do; an upload to this process begins at once. */
const INTERVAL_MS = 5000
/** Imports that a process works on at once. They share the decoding threads with all other uploads. */
const LANES = 2
/** Jobs of processes that have died are found within this. */
const EXPIRE_MS = 5000

/** The names of the jobs that work on imports. */
export const IMPORT_JOBS = Array.from({ length: LANES }, (_, lane) => `work-imports-${lane + 1}`)

/** Works on bulk imports, those of several runners by turns. */
export function workImports (work: ImportWork): Job[] {
  return [
    ...IMPORT_JOBS.map((name) => ({ name, intervalMs: INTERVAL_MS, batch: () => importBatch(work) })),
    { name: 'give-up-imports', intervalMs: INTERVAL_MS, batch: () => failedBatch(work) }
  ]
}

async function importBatch (work: ImportWork): Promise<'more' | 'done'> {
  const job = await work.queue.take<ImportJob>('imports')
  if (job === undefined) return 'done'
  await workOnImports(work, job)
  return 'more'
}

async function failedBatch (work: ImportWork): Promise<'more' | 'done'> {
  const job = await work.queue.take<ImportJob>('imports-failed')
  if (job === undefined) return 'done'
  await giveUpImport(work, job)
  return 'more'
}

/** Gives the jobs of processes that have died to others. */
export function expireJobs (queue: JobQueue): Job {
  return {
    name: 'expire-jobs',
    intervalMs: EXPIRE_MS,
    async batch () {
      await queue.expire()
      return 'done'
    }
  }
}

/** Deletes jobs that failed long ago, and imports whose bytes never came whole. */
export function sweepImports (sql: Sql, queue: JobQueue): Job {
  const name = 'sweep-imports'
  return {
    name,
    intervalMs: SWEEP_INTERVAL_MS,
    async batch () {
      await queue.sweep()
      return await transaction(sql, async (sql) => {
        if (!await tryLockJob(sql, name)) return 'elsewhere'
        return await deleteAbandonedImport(sql) === 0 ? 'done' : 'more'
      })
    }
  }
}
