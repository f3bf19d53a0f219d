import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'

/**
 * Where there is one core for all, threads that mark garbage take it from requests: four of them, each with as good a right to it as the thread that answers,
 * which then waits up to 30 ms. Without them it marks by itself, a millisecond at a time. Where there are more cores they are welcome.
 *
 * Measured on one core: an import of 100,000 records holds up the event loop for 4 to 6 ms at most instead of 6 to 7, and takes 7 % longer. At twice
 * capacity there is no difference beyond noise; one that was seen before came from a generator that was not warm.
 *
 * To be called before anything else is loaded, as a collection that is under way must end as it began.
 */
export function leaveCoreToRequests (cores = availableParallelism(), setFlag = setFlagsFromString): void {
  if (cores === 1) setFlag('--no-concurrent-marking')
}
