import fp from 'fastify-plugin'
import { JobRunner, type Job } from '../src/jobs/runner.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The background jobs. */
    jobs: JobRunner
  }
}

/** Runs jobs in the background while the process takes requests; once it stops, no further batch begins. */
export default fp<{ jobs: Job[] }>(async function backgroundJobs (app, { jobs }) {
  const { availability } = app
  const runner = new JobRunner({
    jobs,
    log: app.logger.named('app.jobs'),
    mayRun: () => availability.state === 'ready' || availability.state === 'not_ready'
  })
  app.decorate('jobs', runner)
  availability.onChange((state) => { if (state === 'ready') runner.resume() })
  app.addHook('onReady', async () => runner.start())
  // Before the listener closes, so that a batch ends while requests in flight do, not after them.
  app.addHook('preClose', async () => { await runner.stop() })
}, { name: 'jobs', dependencies: ['logging', 'availability'] })
