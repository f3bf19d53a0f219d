import { tryLockJob } from '../../db/jobs.ts'
import { queueInBulk, queueLoadsInBulk } from '../../db/recomputations.ts'
import {
  beginReprocessing, countRecomputations, findNextAccount, findOutdatedLoads, findReprocessing, listOutdated,
  noteReprocessing, pauseReprocessing, type RecomputationDepth, type Reprocessing
} from '../../db/reprocessing.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'

/** The name of the job that calls {@link queueOutdatedBatch}. */
export const QUEUE_OUTDATED = 'queue-outdated'
/** Activities queued by one statement. */
const ACTIVITIES = 1000
/** Above every version there is: everything is older. */
const ANY_VERSION = 32_767

/**
 * Queues the activities of the next account that older formulas made. It begins by itself when this process has newer
 * formulas than were queued for, and anew when an operator asks for it; nothing is held open while that is computed.
 * @returns whether there may be more to do
 */
export async function queueOutdatedBatch (sql: Sql): Promise<'more' | 'done' | 'elsewhere'> {
  if (!isDue(await findReprocessing(sql))) return 'done'
  return await transaction(sql, async (sql) => {
    if (!await tryLockJob(sql, QUEUE_OUTDATED)) return 'elsewhere'
    let state = await findReprocessing(sql)
    if (!isDue(state)) return 'done'
    if (isOlder(state)) {
      await beginReprocessing(sql, FORMULA_VERSIONS, false)
      state = { ...state, everything: false, after_account: null }
    }
    const account = await findNextAccount(sql, state.after_account)
    if (account !== undefined) await queueAccount(sql, account, state.everything)
    await noteReprocessing(sql, account)
    return account === undefined ? 'done' : 'more'
  })
}

/** What an operator sees and asks for. */
export interface ReprocessingStatus extends RecomputationDepth {
  state: 'paused' | 'queueing' | 'computing' | 'done'
  versions: { recording: number, load: number }
}

export async function reprocessingStatus (sql: Sql): Promise<ReprocessingStatus> {
  const [found, depth] = [await findReprocessing(sql), await countRecomputations(sql)]
  const busy = isDue({ ...found, paused_at: null }) ? 'queueing' : depth.in_bulk > 0 ? 'computing' : 'done'
  return {
    ...depth,
    state: found.paused_at !== null && busy !== 'done' ? 'paused' : busy,
    versions: { recording: found.recording_version, load: found.load_version }
  }
}

/** Queues what older formulas made once more, or everything, whatever made it. */
export async function requestReprocessing (sql: Sql, everything: boolean): Promise<void> {
  await beginReprocessing(sql, FORMULA_VERSIONS, everything)
}

export { pauseReprocessing }

function isDue (state: Reprocessing): boolean {
  const newer = state.recording_version > FORMULA_VERSIONS.recording || state.load_version > FORMULA_VERSIONS.load
  return state.paused_at === null && !newer && (state.finished_at === null || isOlder(state))
}

function isOlder ({ recording_version, load_version }: Reprocessing): boolean {
  return recording_version < FORMULA_VERSIONS.recording || load_version < FORMULA_VERSIONS.load
}

async function queueAccount (sql: Sql, userId: string, everything: boolean): Promise<void> {
  const { recording, load } = FORMULA_VERSIONS
  const fromDay = await findOutdatedLoads(sql, userId, everything ? ANY_VERSION : load)
  if (fromDay !== undefined) await queueLoadsInBulk(sql, userId, fromDay, load)
  let after: string | null = null
  for (;;) {
    const wanted = { version: recording, everything, after, limit: ACTIVITIES }
    const page: Array<{ id: string, start_time: string }> = await listOutdated(sql, userId, wanted)
    if (page.length > 0) await queueInBulk(sql, userId, page, recording)
    if (page.length < ACTIVITIES) return
    after = page.at(-1)!.id
  }
}
