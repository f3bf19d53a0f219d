import cluster, { type Worker } from 'node:cluster'
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AggregatorRegistry } from 'prom-client'
import { LineAssembly } from '../log/line-assembly.ts'
import type { RootLogger } from '../log/logger.ts'
import type { Sink } from '../log/sink.ts'
import type { Figures } from '../metrics/shared-registry.ts'

/** What the primary tells a worker when it starts. */
export interface Orders {
  /** 1 … `WORKERS`; the replacement of a worker that died gets its number. */
  number: number
  /** The embedded Postgres, which the primary runs; absent where the configuration names a database. */
  databaseUrl?: string | undefined
}

/** Messages between processes. `figures` of one worker go to the primary, those of all to the worker that asked. */
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
/** After it has run for this long, a worker's death counts as its first. */
const STEADY_MS = 60_000
/** Of a worker that does not report within this time, the figures of its last report count. */
const REPORT_MS = 1000
/** Metrics that only grow, so those of a dead worker still count; a gauge is of the present. */
const ACCUMULATING = new Set<unknown>(['counter', 'histogram'])

/** Whether this process is one of several that share the port. */
export const isWorker = cluster.isWorker

/** The log file of a worker: the first has app.log, where operators look; no two workers write to one file. */
export function logName (workerNumber: number): string {
  return workerNumber === 1 ? 'app' : `app-${workerNumber}`
}

/** Registers with the primary; answers the orders it gives. */
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

/** Reports this process's figures to the primary whenever it asks; answers a function that asks for those of all. */
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
 * Starts the workers, replaces those that die, and passes the signal to stop on to them. Answers the exit code when all
 * have ended: 0 where each of them stopped as it should, else the highest of theirs. When a worker dies before it has
 * listened for the first time, the others would too, and all are stopped.
 */
export async function lead ({ workers, databaseUrl, logger, sink, stop }: LeadOptions): Promise<number> {
  // Lines that several processes write to one pipe may be mixed, so the workers' lines come here and this process
  // writes them all.
  cluster.setupPrimary({ silent: true, serialization: 'advanced' })
  const failed = new AbortController()
  const stopping = AbortSignal.any([stop, failed.signal])
  // One listener for each worker; Node warns of a leak at more than ten.
  setMaxListeners(0, stopping)
  const reports = new Reports()
  cluster.on('message', (worker, message: Message) => reports.hear(worker, message))
  cluster.on('exit', (worker) => reports.retire(worker))
  const codes = await Promise.all(Array.from({ length: workers }, (_, index) => keepRunning(index + 1)))
  return Math.max(...codes)

  /**
   * Keeps one worker of this number running, replaced when it dies, until the service stops; answers the exit code of
   * the last one.
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
      // `close` comes after the worker's last lines have been read; `exit` may come before.
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
 * The requests for the figures of all workers that are open, and the last report of each worker. What was counted once
 * stays in the sum, though the worker is late or has died: a scraper takes a counter that goes down for one that was
 * reset, and adds all of it again.
 */
class Reports {
  readonly #open = new Map<number, { missing: Set<number>, finish: () => void }>()
  /** Of the workers that are alive, by their ids, which Node never reuses. */
  readonly #last = new Map<number, { id: number, figures: Figures }>()
  /** The figures of the workers that died. */
  #retired: Figures = []
  #ids = 0

  hear (worker: Worker, message: Message): void {
    if (message.kind === 'ask') this.#gather(worker, message.id)
    else if (message.kind === 'figures' && !worker.isDead()) {
      // Kept also when no request waits for it any more, unless the answer to a later one has come already.
      if (message.id > (this.#last.get(worker.id)?.id ?? 0)) this.#last.set(worker.id, message)
      this.#settle(message.id, worker)
    }
  }

  /** Stops waiting for the worker, and keeps its figures. */
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

/** The sum, series by series, as the scraper gets it. */
function sumOf (all: Figures[]): Figures {
  const families = AggregatorRegistry.aggregate(all).getMetricsAsArray() as unknown as Array<{
    get: () => Figures[number]
  }>
  return families.map((family) => family.get())
}
