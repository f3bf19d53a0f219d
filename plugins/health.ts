import fp from 'fastify-plugin'
import { HealthMonitor, type HealthCheck } from '../src/health/monitor.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What the health of the service is told from. */
    health: HealthMonitor
  }
}

export interface HealthOptions {
  /** How often checks run when nobody asks, and how often a failing one is told again, in ms. */
  intervalMs: number
  checks: HealthCheck[]
}

/**
 * Runs the health checks, tells the log when one turns, and lets the critical ones decide whether the process is ready.
 */
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
