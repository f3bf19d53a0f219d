import type { JobQueue, QueueFigures } from '../db/job-queue.ts'
import type { Job } from '../src/jobs/runner.ts'

/** How old the figures of the queues may be. */
const INTERVAL_MS = 15_000
/** A job that has waited for so long waits for more than its turn. */
const STUCK_S = 300

/** Reads how much waits in the queues, for metrics and health. */
export function watchQueues (queue: JobQueue, show: (figures: QueueFigures[]) => void): Job {
  let figures: QueueFigures[] = []
  return {
    name: 'watch-queues',
    intervalMs: INTERVAL_MS,
    async batch () {
      figures = await queue.figures()
      show(figures)
      return 'done'
    },
    problem () {
      const stuck = figures.find(({ oldest_wait_s }) => oldest_wait_s > STUCK_S)
      return stuck && `the oldest job in ${stuck.queue} has waited for ${Math.round(stuck.oldest_wait_s)} s`
    }
  }
}
