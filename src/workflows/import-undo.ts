import { lockUser } from '../../db/accounts.ts'
import { deleteActivities, deleteImportGear, listBatchActivities } from '../../db/import-work.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { matchDays } from './matching.ts'

/** Activities deleted in one transaction, which takes some milliseconds for each. */
const BATCH = 50

/**
 * Deletes the activities that files of an import became, and the gear that it has made; some at a time, so that others
 * are not kept from writing. It can be done again, and by several at once.
 */
export async function undoImport (sql: Sql, userId: string, importId: string): Promise<void> {
  for (let deleted = BATCH; deleted === BATCH;) {
    deleted = await transaction(sql, async (sql) => {
      if (await lockUser(sql, userId) === undefined) return 0
      const activities = await listBatchActivities(sql, userId, importId, BATCH)
      if (activities.length === 0) return 0
      await deleteActivities(sql, userId, activities.map(({ id }) => id))
      await matchDays(sql, userId, [...new Set(activities.map(({ local_date }) => local_date))])
      return activities.length
    })
  }
  await deleteImportGear(sql, userId, importId)
}
