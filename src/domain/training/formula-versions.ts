/**
 * Raise a number with the formula that it stands for: what an earlier version made is computed again in the background.
 */
export const FORMULA_VERSIONS = {
  /**
   * Everything that is computed of a recording: the activity's figures, streams, laps, splits, best efforts. There was
   * no version 2: processes of the release before take what is queued up to that, the version of the load.
   */
  recording: 3,
  /** The load and the time in zones, of what was computed of the recording and of the settings of the day. */
  load: 2
} as const
