import cluster, { type Worker } from 'node:cluster'
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AggregatorRegistry } from 'prom-client'
import { LineAssembly } from '../log/line-assembly.ts'
import type { RootLogger } from '../log/logger.ts'
import type { Sink } from '../log/sink.ts'
import type { Figures } from '../metrics/shared-registry.ts'

/** What a worker is told when it starts. */
export interface Orders {
  /** 1 … `WORKERS`; whoever takes the place of one that died gets its number. */
  number: number
  /** The embedded Postgres, which the primary has; absent where the configuration names a database. */
  databaseUrl?: string | undefined
}

/** Between processes. `figures` of one worker go to the primary, those of all to whoever asked. */
type Message =
  | { kind: 'join' }
  | { kind: 'orders', orders: Orders }
  | { kind: 'ask', id: number }
  | { kind: 'report', id: number }
  | { kind: 'figures', id: number, figures: Figures }
  | { kind: 'everybody', id: number, all: Figures[] }

/** The pause before the first restart of a worker, doubled at each further one, and the longest. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** Having run for so long, a death counts as the first. */
const STEADY_MS = 60_000
/** A worker that says nothing for so long counts with the figures it told last. */
const REPORT_MS = 1000
/** What only grows, so that of a worker that died it still counts; gauges tell of what is. */
const ACCUMULATING = new Set<unknown>(['counter', 'histogram'])

/** Whether this process is one of several that share the port. */
export const isWorker = cluster.isWorker

/** The log file of a worker: the first has app.log, where people look; no two write to one file. */
export function logName (workerNumber: number): string {
  return workerNumber === 1 ? 'app' : `app-${workerNumber}`
}

/** Says hello to the primary and answers what it is to do. */
export async function join (): Promise<Orders> {
  return await new Promise((resolve) => {
    const hear = (message: Message) => {
      if (message.kind !== 'orders') return
      process.off('message', hear)
      resolve(message.orders)
    }
    process.on('message', hear)
    say({ kind: 'join' })
  })
}

/** Tells the primary what this process has counted whenever it asks; answers how to ask for what all have. */
export function exchangeFigures (own: () => Promise<Figures>): () => Promise<Figures[]> {
  const asked = new Map<number, (all: Figures[]) => void>()
  let asks = 0
  process.on('message', (message: Message) => {
    if (message.kind === 'report') own().then((figures) => say({ kind: 'figures', id: message.id, figures }), () => {})
    else if (message.kind === 'everybody') {
      asked.get(message.id)?.(message.all)
      asked.delete(message.id)
    }
  })
  return async () => await new Promise((resolve) => {
    asked.set(++asks, resolve)
    say({ kind: 'ask', id: asks })
  })
}

function say (message: Message): void {
  process.send?.(message)
}

export interface LeadOptions {
  workers: number
  databaseUrl: string | undefined
  logger: RootLogger
  sink: Sink
  /** Aborted when the service is to stop. */
  stop: AbortSignal
}

/**
 * Starts the workers, replaces those that die, and passes the signal to stop on. Answers the exit code when all have
 * ended: 0 where each of them stopped as it should, else the worst of theirs. Where one dies before it listened for the
 * first time, others would too: all stop.
 */
export async function lead ({ workers, databaseUrl, logger, sink, stop }: LeadOptions): Promise<number> {
  // What several processes write to one pipe may mix within a line: their lines come here, and one process writes them
  // all.
  cluster.setupPrimary({ silent: true, serialization: 'advanced' })
  const failed = new AbortController()
  const stopping = AbortSignal.any([stop, failed.signal])
  // Each worker listens, of which there may be more than the ten that Node takes for a leak.
  setMaxListeners(0, stopping)
  const reports = new Reports()
  cluster.on('message', (worker, message: Message) => reports.hear(worker, message))
  cluster.on('exit', (worker) => reports.retire(worker))
  const codes = await Promise.all(Array.from({ length: workers }, (_, index) => keepRunning(index + 1)))
  return Math.max(...codes)

  /**
   * One place among the workers, taken again and again until the service stops; answers the code of the last to take
   * it.
   */
  async function keepRunning (number: number): Promise<number> {
    let hasListened = false
    let deaths = 0
    for (;;) {
      const since = performance.now()
      const ending = await run({ number, databaseUrl }, () => { hasListened = true })
      if (stopping.aborted) return codeOf(ending)
      logger.error('a worker died', {
        error_code: 'WORKER_DIED',
        worker: number,
        ended_with: String(ending.signal ?? ending.code)
      })
      if (!hasListened) {
        failed.abort()
        return codeOf(ending) === 0 ? 1 : codeOf(ending)
      }
      deaths = performance.now() - since > STEADY_MS ? 0 : deaths + 1
      await delay(Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, deaths - 1), LONGEST_PAUSE_MS), undefined, {
        signal: stopping
      }).catch(() => {})
      if (stopping.aborted) return 0
    }
  }

  async function run (
    orders: Orders,
    onListening: () => void
  ): Promise<{ code: number | null; signal: string | null }> {
    const worker = cluster.fork()
    const passOn = () => worker.process.kill('SIGTERM')
    const lines = new LineAssembly((whole) => sink.relay(whole))
    worker.process.stdout?.on('data', (chunk: Buffer) => lines.push(chunk)).on('end', () => lines.end())
    worker.process.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
    })
    worker.on('message', (message: Message) => {
      if (message.kind === 'join') worker.send({ kind: 'orders', orders } satisfies Message)
    })
    worker.once('listening', onListening)
    stopping.addEventListener('abort', passOn, { once: true })
    if (stopping.aborted) passOn()
    return await new Promise((resolve) => {
      // Its last lines come before this: `exit` alone does not say that the pipe has been read.
      worker.process.once('close', (code: number | null, signal: string | null) => {
        stopping.removeEventListener('abort', passOn)
        resolve({ code, signal })
      })
    })
  }
}

function codeOf ({ code }: { code: number | null }): number {
  return code ?? 1
}

/**
 * Who asked for everybody's figures, and what every worker told last. What has been counted once stays in the sum,
 * though the worker is late or has died: a scraper takes a counter that goes down for one that began anew, and adds all
 * of it again.
 */
class Reports {
  readonly #open = new Map<number, { missing: Set<number>, finish: () => void }>()
  /** By the worker's id, which is never given again; of those alive. */
  readonly #last = new Map<number, { id: number, figures: Figures }>()
  /** What those that died had counted. */
  #retired: Figures = []
  #ids = 0

  hear (worker: Worker, message: Message): void {
    if (message.kind === 'ask') this.#gather(worker, message.id)
    else if (message.kind === 'figures' && !worker.isDead()) {
      // Also when nobody waits for it any more; but what was asked for later is newer.
      if (message.id > (this.#last.get(worker.id)?.id ?? 0)) this.#last.set(worker.id, message)
      this.#settle(message.id, worker)
    }
  }

  /** Nobody waits for it any more, and what it counted is kept. */
  retire (worker: Worker): void {
    const last = this.#last.get(worker.id)
    this.#last.delete(worker.id)
    if (last !== undefined) {
      this.#retired = sumOf([this.#retired, last.figures.filter(({ type }) => ACCUMULATING.has(type))])
    }
    for (const id of [...this.#open.keys()]) this.#settle(id, worker)
  }

  #gather (asker: Worker, askId: number): void {
    const id = ++this.#ids
    const asked = Object.values(cluster.workers ?? {}).filter(
      (worker) => worker !== undefined && worker.isConnected()
    ) as Worker[]
    const finish = () => {
      clearTimeout(timer)
      this.#open.delete(id)
      const all = [...[...this.#last.values()].map(({ figures }) => figures), this.#retired]
      if (asker.isConnected()) asker.send({ kind: 'everybody', id: askId, all } satisfies Message)
    }
    const timer = setTimeout(finish, REPORT_MS)
    this.#open.set(id, { missing: new Set(asked.map((worker) => worker.id)), finish })
    for (const worker of asked) worker.send({ kind: 'report', id } satisfies Message)
  }

  #settle (id: number, worker: Worker): void {
    const report = this.#open.get(id)
    if (report?.missing.delete(worker.id) === true && report.missing.size === 0) report.finish()
  }
}

/** Series by series, as it is done for the scraper. */
function sumOf (all: Figures[]): Figures {
  const families = AggregatorRegistry.aggregate(all).getMetricsAsArray() as unknown as Array<{
    get: () => Figures[number]
  }>
  return families.map((family) => family.get())
}
