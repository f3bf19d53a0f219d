import fp from 'fastify-plugin'
import { HealthMonitor, type HealthCheck } from '../src/health/monitor.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Runs the health checks and reports their results. */
    health: HealthMonitor
  }
}

export interface HealthOptions {
  /** How often checks run without a request, and how often a failing one is logged again, in ms. */
  intervalMs: number
  checks: HealthCheck[]
}

/** Runs the health checks, logs changes of their results, and lets the critical ones decide about readiness. */
export default fp<HealthOptions>(async function health (app, { intervalMs, checks }) {
  const monitor = new HealthMonitor({
    checks,
    intervalMs,
    log: app.logger.named('app.health'),
    availability: app.availability
  })
  app.decorate('health', monitor)
  app.addHook('onReady', async () => monitor.start())
  app.addHook('onClose', async () => monitor.stop())
}, { name: 'health', dependencies: ['logging', 'availability'] })
