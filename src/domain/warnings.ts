/**
 * The closed list of codes of an import's warnings, each with what it means. Documented in `docs/IMPORTS.md`, which a
 * test compares with this list.
 */
export const WARNING_CODES = {
  FILE_TRUNCATED: 'The file ends too early. The part before the end is imported.',
  FILE_DAMAGED: 'Parts of the file are damaged. They are left out, or read as far as possible.',
  XML_DAMAGED: 'The file is not well-formed XML. The damaged places are read around.',
  TEXT_ENCODING: 'Characters are not valid in the encoding of the file. They are replaced.',
  VALUES_UNREADABLE: 'Values are there but are not numbers. They are left out.',
  VALUES_IMPLAUSIBLE: 'Values are outside the plausible range. They are left out.',
  TIMES_MISSING: 'Points have no time. They are left out.',
  TIMES_UNREADABLE: 'Points have a time that cannot be read. They are left out.',
  TIMES_IMPOSSIBLE: 'Points have a time that does not agree with the others. They are left out or moved.',
  TIMES_OUT_OF_ORDER: 'The times run back. The points are sorted, or kept in the order of the file where that is the shorter way.',
  TIMES_REPEATED: 'Several points have the same time. They are merged, or spread over the time since the point before.',
  CLOCK_WRONG: 'The clock of the device jumped or was set late. The records that agree with each other give the time.',
  CLOCK_NOT_SET: 'The clock of the device was never set. The date of the activity is not real.',
  CLOCK_AHEAD: 'The activity starts more than a day in the future.',
  POSITIONS_IMPOSSIBLE: 'Positions do not exist, or are out of reach of the others. They are left out.',
  POSITIONS_WRAPPED: 'Longitudes are outside ±180°. They are read as the same place within it.',
  HEIGHTS_IMPOSSIBLE: 'Heights are zeros, spikes or steps that cannot be. Zeros and spikes are left out, the shorter side of a step is moved to the other.',
  DISTANCE_LEAP: 'The distance of the device leaps faster than anybody moves. The leaps do not count.',
  DISTANCE_CONTRADICTED: 'The sources of the distance contradict each other. The one that another agrees with is used.',
  DISTANCE_IMPOSSIBLE: 'No source gives a distance that can be. It is unknown.',
  TIME_CONTRADICTED: 'The times that the device states contradict its records. The one that another agrees with is used.',
  MOVING_IMPOSSIBLE: 'The moving time is too short for the distance. The next longer time that can be is used.',
  ELEVATION_IMPOSSIBLE: 'The heights give a climb that nobody makes. The gain and loss are unknown.',
  GRADE_ADJUSTED_PACE_IMPOSSIBLE: 'The grade-adjusted pace is faster than the world record. It is unknown.',
  LAPS_CONTRADICTED: 'Figures of laps contradict the records. They are left out, and computed from the records.',
  SPORT_MISSING: 'The file does not name the sport. Running is assumed.',
  SPORT_UNKNOWN: 'The file names a sport that is not known. The activity has the sport "other".',
  SUMMARY_MISSING: 'The summary that a device writes at the end is missing. The figures are computed from the records.',
  PARTS_IGNORED: 'Parts of the file are not a recording, or cannot be used. They are left out.',
  DUPLICATES_IGNORED: 'The file contains the same recording more than once. It is imported once.',
  LIMIT_REACHED: 'The file has more content than is read. The rest is left out.'
} as const satisfies Record<string, string>

export type WarningCode = keyof typeof WARNING_CODES

/** A problem found in a file, and how it was handled: a code for programs, a sentence for the owner of the file. */
export interface Warning {
  code: WarningCode
  message: string
}

export function warning (code: WarningCode, message: string): Warning {
  return { code, message }
}
