import fp from 'fastify-plugin'
import { JobRunner, type Job } from '../src/jobs/runner.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The background jobs. */
    jobs: JobRunner
  }
}

interface JobsPluginOptions {
  jobs: Job[]
  /** Whether they run by themselves; otherwise only when `jobs.run` is called. */
  scheduled: boolean
  /** Ends the statements that the jobs wait for. */
  interrupt (): void
}

/** A batch that is under way may take this long during a shutdown; then the database has probably gone silent. */
const GRACE_MS = 2000

/** Runs jobs in the background while the process takes requests; once it stops, no further batch begins. */
export default fp<JobsPluginOptions>(async function backgroundJobs (app, { jobs, scheduled, interrupt }) {
  const { availability } = app
  const runner = new JobRunner({
    jobs,
    log: app.logger.named('app.jobs'),
    mayRun: () => availability.state === 'ready' || availability.state === 'not_ready'
  })
  app.decorate('jobs', runner)
  availability.onChange((state) => { if (state === 'ready') runner.resume() })
  if (scheduled) app.addHook('onReady', async () => runner.start())
  // Before the listener closes, so that a batch ends while requests in flight do, not after them.
  app.addHook('preClose', async () => {
    const late = setTimeout(interrupt, GRACE_MS)
    await runner.stop()
    clearTimeout(late)
  })
}, { name: 'jobs', dependencies: ['logging', 'availability'] })
