import { Piscina } from 'piscina'
import { packedRecords } from '../domain/streams/pack.ts'
import { AppError } from '../errors.ts'
import { answerOf, type Answered } from './answers.ts'
import { THREAD_FILE } from './decoding.ts'
import type { StepsAnswer } from '../domain/workouts/step-compliance.ts'
import type { SampleTask } from './sample.ts'
import compareSteps, { type StepsTask } from './steps.ts'

/**
 * Up to so many records are answered on the event loop: 10,000 take 4 ms, an hour of one a second 1.4 ms, and handing
 * them to a thread takes 0.5 ms and a core that may decode an upload. 100,000 take 16 ms.
 */
const IN_PLACE_RECORDS = 10_000
/** Steps are compared on the event loop with up to so many records, and pairs of a step and a lap: it takes 1.2 ms. */
const IN_PLACE_STEPS = { records: 4_000, pairs: 1_000, steps: 40 } as const
/** An idle thread ends after this. */
const IDLE_MS = 60_000
const MOST_WAITING = 200

/** Makes response bodies of packed streams, the long ones on a thread of their own. */
export class SamplingPool {
  readonly #pool = new Piscina<SampleTask | StepsTask, Uint8Array | StepsAnswer>({
    filename: THREAD_FILE,
    name: 'main',
    workerData: new URL('./sample.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
    maxQueue: MOST_WAITING,
    resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 },
    atomics: 'disabled',
    recordTiming: false
  })

  constructor () {
    // A thread that dies while idle harms nobody; without a listener it would end the process.
    this.#pool.on('error', () => {})
  }

  /**
   * `packed` may be handed to a thread and be empty afterwards.
   * @throws AppError SERVICE_UNAVAILABLE where too many wait already
   */
  async sample (packed: Uint8Array, wanted: Answered): Promise<Uint8Array> {
    if (packedRecords(packed) <= IN_PLACE_RECORDS) return answerOf(packed, wanted)
    this.#requireRoom()
    const isWhole = packed.byteLength === packed.buffer.byteLength
    const transferList = isWhole ? [packed.buffer as ArrayBuffer] : []
    return await this.#pool.run({ packed, ...wanted }, { transferList }) as Uint8Array
  }

  /**
   * How the steps of a workout were run.
   * @throws AppError SERVICE_UNAVAILABLE where too many wait already
   */
  async compareSteps (task: StepsTask): Promise<StepsAnswer> {
    if (isQuick(task)) return compareSteps(task)
    this.#requireRoom()
    return await this.#pool.run(task, { name: 'steps' }) as StepsAnswer
  }

  #requireRoom (): void {
    if (this.#pool.queueSize < MOST_WAITING) return
    throw new AppError('SERVICE_UNAVAILABLE', 'Too many long recordings are being read: try again in a moment', {
      headers: { 'retry-after': '2' }
    })
  }

  /** Ends the thread, and what it is doing. */
  async close (): Promise<void> {
    await this.#pool.destroy()
  }
}

function isQuick ({ packed, steps, laps }: StepsTask): boolean {
  return packedRecords(packed) <= IN_PLACE_STEPS.records && steps.length <= IN_PLACE_STEPS.steps &&
    steps.length * laps.length <= IN_PLACE_STEPS.pairs
}
