import type { RecomputationDepth } from '../db/reprocessing.ts'
import { countRecomputations } from '../db/reprocessing.ts'
import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { QUEUE_OUTDATED, queueOutdatedBatch } from '../src/workflows/reprocess.ts'

const INTERVAL_MS = 15_000

/** Queues what older formulas made, and tells how much waits to be computed. */
export function reprocess (sql: Sql, measured: (depth: RecomputationDepth) => void): Job {
  return {
    name: QUEUE_OUTDATED,
    intervalMs: INTERVAL_MS,
    async batch () {
      const more = await queueOutdatedBatch(sql)
      if (more !== 'more') measured(await countRecomputations(sql))
      return more
    }
  }
}
