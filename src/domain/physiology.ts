/** The physiological values of a runner; null if unknown. */
export interface BodySettings {
  /** `male` or `female`. */
  sex: string | null
  max_heart_rate_bpm: number | null
  resting_heart_rate_bpm: number | null
  threshold_heart_rate_bpm: number | null
  /** Seconds per kilometre. */
  threshold_pace_s_per_km: number | null
}

/** Values valid from a day, `YYYY-MM-DD`, on. */
export interface DatedSettings extends BodySettings {
  valid_from: string
}

const UNKNOWN: BodySettings = {
  sex: null,
  max_heart_rate_bpm: null,
  resting_heart_rate_bpm: null,
  threshold_heart_rate_bpm: null,
  threshold_pace_s_per_km: null
}

/**
 * The values valid on `day`: each from the latest settings up to that day that have it. The order of the settings does
 * not matter.
 */
export function settingsOn (day: string, settings: readonly DatedSettings[]): BodySettings {
  const held = { ...UNKNOWN }
  const since: Partial<Record<keyof BodySettings, string>> = {}
  for (const dated of settings) {
    if (dated.valid_from > day) continue
    take('sex', dated)
    take('max_heart_rate_bpm', dated)
    take('resting_heart_rate_bpm', dated)
    take('threshold_heart_rate_bpm', dated)
    take('threshold_pace_s_per_km', dated)
  }
  return held

  function take<Name extends keyof BodySettings> (name: Name, { valid_from, [name]: value }: DatedSettings): void {
    const before = since[name]
    if (value === null || (before !== undefined && before > valid_from)) return
    held[name] = value
    since[name] = valid_from
  }
}

/** The field that contradicts the others, with the reason; undefined if they are consistent. */
export function contradiction ({
  max_heart_rate_bpm: max = null,
  resting_heart_rate_bpm: resting = null,
  threshold_heart_rate_bpm: threshold = null
}: Partial<BodySettings>): { field: keyof BodySettings; message: string } | undefined {
  if (resting !== null && threshold !== null && resting >= threshold) {
    return {
      field: 'threshold_heart_rate_bpm',
      message: 'threshold_heart_rate_bpm must be above resting_heart_rate_bpm'
    }
  }
  if (threshold !== null && max !== null && threshold > max) {
    return {
      field: 'threshold_heart_rate_bpm',
      message: 'threshold_heart_rate_bpm must not be above max_heart_rate_bpm'
    }
  }
  if (resting !== null && max !== null && resting >= max) {
    return { field: 'resting_heart_rate_bpm', message: 'resting_heart_rate_bpm must be below max_heart_rate_bpm' }
  }
  return undefined
}
