import { tidyText } from '../files/unreadable.ts'
import { sportOfText } from '../sports.ts'
import { tidyNotes, type ExportDetails } from './details.ts'

/** Garmin's number of a race among its types of events. */
const RACE = 1

/**
 * What an entry of a `…_summarizedActivities.json` says, and of the activity that started when: it names no file.
 * Undefined: nothing that is of use.
 */
export function garminDetails (entry: unknown): { startMs: number, details: ExportDetails } | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  const record = entry as Record<string, unknown>
  const { name, description, activityType, eventTypeId, beginTimestamp, startTimeGmt } = record
  const startMs = [beginTimestamp, startTimeGmt].find((value) => Number.isFinite(value))
  if (typeof startMs !== 'number') return undefined
  const { sport, known } = sportOfText(typeof activityType === 'string' ? activityType : '')
  return {
    startMs,
    details: {
      name: tidyText(name),
      notes: tidyNotes(description),
      gear: null,
      is_race: eventTypeId === RACE,
      sport: known && sport !== 'other' ? sport : null
    }
  }
}
