/** Figures of two sources that differ by more than this share contradict each other. */
export const CONTRADICTION = 0.05

export type Source = 'session' | 'laps' | 'records' | 'positions' | 'speeds'

/** What one source says of a figure. */
export interface Told {
  source: Source
  value: number
}

export interface Weighed {
  /** The figure that is believed; null if no source says one that can be. */
  told: Told | null
  /** The sources that contradict it. */
  refuted: Told[]
}

/**
 * Weighs what several sources say of one figure: what the device summed up (session), what its laps say, what its
 * records say, what the positions and the speeds say. Of those that can be, the one wins that most others agree with,
 * within 5 %; of those with as many, the first in `told`, which is the order of trust.
 */
export function weigh (told: readonly Told[], canBe: (value: number) => boolean): Weighed {
  let best: Told | null = null
  let most = -1
  for (const one of told) {
    if (!canBe(one.value)) continue
    const agreeing = told.filter((other) => other !== one && agree(one.value, other.value)).length
    if (agreeing > most) {
      best = one
      most = agreeing
    }
  }
  return { told: best, refuted: told.filter(({ value }) => best === null || !agree(value, best.value)) }
}

/** Whether two figures of the same thing do not contradict each other. */
export function agree (a: number, b: number): boolean {
  return Math.abs(a - b) <= CONTRADICTION * Math.max(Math.abs(a), Math.abs(b))
}

const WORDS: Record<Source, string> = {
  session: 'the summary of the device',
  laps: 'the laps',
  records: 'the records',
  positions: 'the positions',
  speeds: 'the speeds'
}

/** "the laps say 5040 m, the records 1440 m", for a warning. */
export function saying (told: readonly Told[], unit: string): string {
  return told.map(({ source, value }) => `${WORDS[source]} say ${Math.round(value * 10) / 10} ${unit}`)
    .join(', ').replaceAll('summary of the device say', 'summary of the device says')
}

export function wordsOf (source: Source): string {
  return WORDS[source]
}
