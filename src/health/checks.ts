import { access, constants, statfs } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { NotHealthy, type HealthCheck } from './monitor.ts'
import type { Sink } from '../log/sink.ts'

/** With less free space than this where data or logs are, writes will soon fail. */
const LOW_SPACE_BYTES = 256 * 1024 * 1024
/** An event loop this late on average answers no request in time. */
const SLOW_LOOP_MS = 200
/** More statements than this waiting for each connection make answers late. */
const LONG_QUEUE = 2

/** What is asked of the database. */
interface Database {
  /** Rejects where it does not answer. */
  ping (): Promise<number>
  /**
   * How many statements wait, and for how many connections at the most; and how many commits waited for a synchronous
   * standby at the last ping.
   */
  stats (): { max: number, waiting: number, waitingCommits: number }
}

interface Watched {
  database: Database
  preparation: {
    /** What an error of the database means, without host, name or SQL. */
    explain (error: unknown): string
    /** What keeps the database from being in the form that the service needs, where that is known. */
    problem (): string | undefined
  }
  sink: Sink
  /** Where uploads are spooled, and what is wrong with it where something is. */
  spool: { problem (): Promise<string | undefined> }
  /** Folders in use, which must stay writable. */
  directories: string[]
  /** The background jobs, and what is wrong with them where something is. */
  jobs: { problem (): string | undefined }
  /** What is wrong with the connections of clients where something is. */
  clients: { problem (): string | undefined }
}

/** The health checks. The database alone decides whether the service can do its work. */
export function healthChecks (watched: Watched): HealthCheck[] {
  const { database, preparation, sink, spool, directories, jobs, clients } = watched
  return [
    { name: 'database', critical: true, look: async () => { await reach(database, preparation) } },
    { name: 'disk', critical: false, look: async () => { await lookAtDisk(sink, spool, directories) } },
    { name: 'event_loop', critical: false, look: eventLoop() },
    { name: 'jobs', critical: false, look: async () => lookAtJobs(jobs) },
    { name: 'pool', critical: false, look: async () => lookAtPools(database, clients) }
  ]
}

async function reach (database: Database, preparation: Watched['preparation']): Promise<void> {
  try {
    await database.ping()
  } catch (error) {
    throw new NotHealthy(preparation.explain(error))
  }
  const problem = preparation.problem()
  if (problem !== undefined) throw new NotHealthy(problem)
  const { waitingCommits } = database.stats()
  if (waitingCommits > 0) throw new NotHealthy(`${waitingCommits} commits wait for a synchronous standby`, 'degraded')
}

async function lookAtDisk (sink: Sink, spool: Watched['spool'], directories: string[]): Promise<void> {
  const { degraded, reason } = sink.status()
  if (degraded) throw new NotHealthy(reason ?? 'the log cannot be written', 'degraded')
  for (const directory of directories) {
    const { bavail, bsize } = await usable(directory)
    if (bavail * bsize < LOW_SPACE_BYTES) throw new NotHealthy('little space is left', 'degraded')
  }
  const problem = await spool.problem()
  if (problem !== undefined) throw new NotHealthy(problem, 'degraded')
}

async function usable (directory: string) {
  try {
    await access(directory, constants.W_OK)
    return await statfs(directory)
  } catch {
    throw new NotHealthy('a directory cannot be written', 'degraded')
  }
}

function eventLoop (): () => Promise<void> {
  const histogram = monitorEventLoopDelay({ resolution: 20 })
  histogram.enable()
  return async () => {
    const meanMs = histogram.mean / 1e6
    histogram.reset()
    if (meanMs > SLOW_LOOP_MS) throw new NotHealthy(`the event loop is ${Math.round(meanMs)} ms late`, 'degraded')
  }
}

function lookAtJobs (jobs: Watched['jobs']): void {
  const problem = jobs.problem()
  if (problem !== undefined) throw new NotHealthy(problem, 'degraded')
}

/** Both pools of connections: those to the database and those of clients. */
function lookAtPools (database: Database, clients: Watched['clients']): void {
  const problem = clients.problem()
  if (problem !== undefined) throw new NotHealthy(problem, 'degraded')
  const { max, waiting } = database.stats()
  if (waiting > max * LONG_QUEUE) throw new NotHealthy(`${waiting} statements wait for ${max} connections`, 'degraded')
}
