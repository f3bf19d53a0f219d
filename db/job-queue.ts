import PgBoss from 'pg-boss'
import { fragment, numbered, transaction, type NumberedText, type Sql } from './sql.ts'

/** The queues, as migrations make them. */
export type Queue = 'imports' | 'imports-failed'

/** A job that this process has taken; it is another one's if it is not kept for 20 s. */
export interface TakenJob<Data> {
  id: string
  data: Data
}

/** How much waits in a queue, and since when. */
export interface QueueFigures {
  queue: string
  waiting: number
  active: number
  failed: number
  /** How long the oldest job that may be taken has waited. */
  oldest_wait_s: number
}

/** What runs a text of pg-boss, under a name of ours. */
type Run = (sql: Sql, text: NumberedText) => Promise<Array<Record<string, unknown>>>

/** The prefix that stands for a schema in the texts of pg-boss: its tables are in the service's own schema. */
const SCHEMA = 'pgboss'
const KEPT_FAILURES_DAYS = 7
const WAITS = fragment`j.state < 'active' and j.start_after <= now()`

/**
 * Queues of jobs in Postgres, by pg-boss through the service's own connections: its worker loops, timers and own
 * connections are not used. `JobRunner` polls, retries and stops, as it does for all background work.
 */
export interface JobQueue {
  /**
   * Adds a job, to be taken after so many seconds, in the caller's transaction if `sql` is one; nothing where one with
   * this key waits already.
   */
  send (sql: Sql, queue: Queue, key: string, data: object, afterS?: number): Promise<void>
  /** Takes the job that has waited longest; of several processes one gets it. */
  take<Data> (queue: Queue): Promise<TakenJob<Data> | undefined>
  /** Says that this process is still at work on a job. */
  keep (queue: Queue, id: string): Promise<void>
  /** Removes a job that is done. */
  finish (sql: Sql, queue: Queue, id: string): Promise<void>
  /** Gives a job back after a failure, to be tried again later while it has tries left. */
  fail (queue: Queue, id: string, reason: string): Promise<void>
  /** Gives back the jobs of processes that are not heard of any more. */
  expire (): Promise<void>
  /** Removes jobs that failed long ago. */
  sweep (): Promise<void>
  /** Whether a job may be taken now. */
  isWaiting (queue: Queue): Promise<boolean>
  figures (): Promise<QueueFigures[]>
}

export function openJobQueue (sql: Sql): JobQueue {
  const boss = new PgBoss({
    db: executorOf(sql, (sql, text) => sql`/* maintainJobs */ ${text}`),
    schema: SCHEMA,
    migrate: false,
    supervise: false,
    schedule: false,
    archiveFailedAfterSeconds: KEPT_FAILURES_DAYS * 86_400,
    deleteAfterDays: 1
  })
  boss.on('error', () => {})
  const by = (sql: Sql, run: Run) => ({ db: executorOf(sql, run) })

  return {
    async send (sql, queue, key, data, afterS = 0) {
      await boss.send(queue, data, { singletonKey: key, startAfter: afterS, ...by(sql, (sql, text) => sql`/* sendJob */ ${text}`) })
    },

    async take<Data> (queue: Queue) {
      // pg-boss answers a failure of the statement by no job.
      let failure: unknown
      const [job] = await boss.fetch<Data>(queue, by(sql, async (sql, text) => {
        try {
          return await sql`/* takeJob */ ${text}`
        } catch (error) {
          failure = error
          throw error
        }
      }))
      if (failure !== undefined) throw failure
      return job === undefined ? undefined : { id: job.id, data: job.data }
    },

    async keep (queue, id) {
      await sql`/* keepJob */
        update pgboss_job set started_on = now() where name = ${queue} and id = ${id} and state = 'active'
      `
    },

    async finish (sql, queue, id) {
      await boss.deleteJob(queue, id, by(sql, (sql, text) => sql`/* finishJob */ ${text}`))
    },

    async fail (queue, id, reason) {
      await boss.fail(queue, id, { reason }, by(sql, (sql, text) => sql`/* failJob */ ${text}`))
    },

    async expire () {
      await boss.expire()
    },

    async sweep () {
      await boss.maintain()
    },

    async isWaiting (queue) {
      const rows = await sql`/* findWaitingJob */
        select 1 from pgboss_job j where j.name = ${queue} and ${WAITS} limit 1
      `
      return rows.length > 0
    },

    async figures () {
      return await sql<QueueFigures>`/* findQueueFigures */
        select q.name as queue,
          count(*) filter (where ${WAITS})::int as waiting,
          count(*) filter (where j.state = 'active')::int as active,
          count(*) filter (where j.state = 'failed')::int as failed,
          coalesce(extract(epoch from now() - min(greatest(j.created_on, j.start_after)) filter (where ${WAITS})), 0)::float8
            as oldest_wait_s
        from pgboss_queue q left join pgboss_job j on j.name = q.name
        group by q.name
        order by q.name
      `
    }
  }
}

/**
 * What pg-boss calls to run a text. Several statements in one text are a transaction, which pg-boss writes as
 * `begin; …; commit;`.
 */
function executorOf (sql: Sql, run: Run): PgBoss.Db {
  return {
    async executeSql (text, values: unknown[] = []) {
      const [first, ...others] = statementsOf(text)
      if (first === undefined) return { rows: [] }
      if (others.length === 0) return { rows: await run(sql, numbered(first, values.map(plainValue))) }
      return await transaction(sql, async (sql) => {
        let rows: unknown[] = []
        for (const statement of [first, ...others]) rows = await run(sql, numbered(statement, []))
        return { rows }
      })
    }
  }
}

const known = new Map<string, string[]>()

/** The statements of a text, with our names of the tables. The texts of pg-boss are few, and hold no values. */
function statementsOf (text: string): string[] {
  let statements = known.get(text)
  if (statements === undefined) {
    statements = text
      .replaceAll(`${SCHEMA}.`, `${SCHEMA}_`)
      .split(';')
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '' && !/^(?:begin|commit)$/i.test(statement))
    known.set(text, statements)
  }
  return statements
}

function plainValue (value: unknown): string | number | boolean | null | string[] {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return Array.isArray(value) ? value as string[] : JSON.stringify(value)
}
