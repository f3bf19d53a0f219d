import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { packedRecords } from '../domain/streams/pack.ts'
import { AppError } from '../errors.ts'
import { answerOf, type Answered } from './answers.ts'
import type { SampleTask } from './sample.ts'

/**
 * Up to so many records are answered on the event loop: 10,000 take 4 ms, an hour of one a second 1.4 ms, and handing
 * them to a thread takes 0.5 ms and a core that may decode an upload. 100,000 take 16 ms.
 */
const IN_PLACE_RECORDS = 10_000
/** An idle thread ends after this. */
const IDLE_MS = 60_000
const MOST_WAITING = 200

/** Makes response bodies of packed streams, the long ones on a thread of their own. */
export class SamplingPool {
  readonly #pool = new Piscina<SampleTask, Uint8Array>({
    filename: fileURLToPath(new URL('./sample.js', import.meta.url)),
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

  /** @throws AppError SERVICE_UNAVAILABLE where too many wait already */
  async sample (packed: Uint8Array, wanted: Answered): Promise<Uint8Array> {
    if (packedRecords(packed) <= IN_PLACE_RECORDS) return answerOf(packed, wanted)
    if (this.#pool.queueSize >= MOST_WAITING) {
      throw new AppError('SERVICE_UNAVAILABLE', 'Too many long recordings are being read: try again in a moment', {
        headers: { 'retry-after': '2' }
      })
    }
    return await this.#pool.run({ packed, ...wanted })
  }

  /** Ends the thread, and what it is doing. */
  async close (): Promise<void> {
    await this.#pool.destroy()
  }
}
