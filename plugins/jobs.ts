import fp from 'fastify-plugin'
import { JobRunner, type Job } from '../src/jobs/runner.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What runs in the background. */
    jobs: JobRunner
  }
}

/** Runs jobs in the background while the process takes requests; when it stops, none begins a further batch. */
export default fp<{ jobs: Job[] }>(async function backgroundJobs (app, { jobs }) {
  const { availability } = app
  const runner = new JobRunner({
    jobs,
    log: app.logger.named('app.jobs'),
    mayRun: () => availability.state === 'ready' || availability.state === 'not_ready'
  })
  app.decorate('jobs', runner)
  app.addHook('onReady', async () => runner.start())
  // Before the listener closes: who waits for requests in flight need not wait for a batch after them.
  app.addHook('preClose', async () => { await runner.stop() })
}, { name: 'jobs', dependencies: ['database', 'logging', 'availability'] })
