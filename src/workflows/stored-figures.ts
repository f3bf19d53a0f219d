import { insertBestEfforts, putFigures, type NewFigures } from '../../db/figures.ts'
import type { Sql } from '../../db/sql.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import type { Part, SpooledFile } from '../uploads/spool.ts'
import type { DecodedActivity } from '../workers/decoding.ts'

/** What is stored beside the activity at this place of a decoded file, its streams read from the file. */
export async function storedFigures (
  file: SpooledFile,
  parts: readonly Part[],
  place: number,
  { index, laps, splits, speedTimes, bestEfforts, records }: DecodedActivity
): Promise<NewFigures> {
  const streams = parts.filter(({ name }) => name === 'streams')[place]
  if (streams === undefined) throw new Error(`The decoded file has no streams of its activity ${place}`)
  return {
    recording_index: index,
    laps,
    splits,
    speed_times: speedTimes,
    best_efforts: bestEfforts,
    streams: { records, packed: await file.read(streams) }
  }
}

/** Stores the figures of a new activity, in its transaction. */
export async function insertFigures (
  sql: Sql,
  userId: string,
  activity: { id: string, local_date: string },
  figures: NewFigures
): Promise<void> {
  await putFigures(sql, userId, activity.id, figures, FORMULA_VERSIONS.recording)
  await insertBestEfforts(sql, userId, activity, figures.best_efforts, FORMULA_VERSIONS.recording)
}
