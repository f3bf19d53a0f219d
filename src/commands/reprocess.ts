import { parseArgs } from 'node:util'
import { createDatabase } from '../../db/database.ts'
import { failureOf } from '../../db/failure.ts'
import type { Sql } from '../../db/sql.ts'
import { readConfig } from '../config/read.ts'
import { createLogger } from '../log/logger.ts'
import {
  pauseReprocessing, reprocessingStatus, requestReprocessing, type ReprocessingStatus
} from '../workflows/reprocess.ts'
import { EXIT, printable, UsageError } from './command.ts'
import type { Command } from './command.ts'

/** How long statements that run are waited for at the end. */
const CLOSE_MS = 2000

export const reprocess: Command = {
  usage: '[--all | --pause | --resume | --status]',
  summary: 'Has the service compute again, in the background, what older formulas made; or all of it.',
  async run (args, print) {
    const { values } = parseArgs({
      args,
      options: {
        all: { type: 'boolean' }, pause: { type: 'boolean' }, resume: { type: 'boolean' }, status: { type: 'boolean' }
      }
    })
    const [order = 'outdated', ...more] = Object.keys(values)
    if (more.length > 0) throw new UsageError('Give one of --all, --pause, --resume and --status.')
    const { database: options } = readConfig()
    if (options.url === undefined) {
      print('DATABASE_URL is not set. The embedded PostgreSQL belongs to the running service, which begins by itself.')
      return EXIT.failed
    }
    const log = createLogger({ level: 'CRITICAL', sink: { write () {} } })
    const database = createDatabase({ ...options, url: options.url, poolSize: 1, log })
    try {
      await carryOut(order, database.sql)
      print(describe(await reprocessingStatus(database.sql)))
      return EXIT.ok
    } catch (error) {
      const { reason, remedy } = failureOf(error, options.url)
      print(printable(`Nothing was changed: ${reason}.`))
      print(printable(`  → ${remedy}`))
      return EXIT.failed
    } finally {
      await database.close({ timeoutMs: CLOSE_MS })
    }
  }
}

async function carryOut (order: string, sql: Sql): Promise<void> {
  if (order === 'pause' || order === 'resume') await pauseReprocessing(sql, order === 'pause')
  else if (order !== 'status') await requestReprocessing(sql, order === 'all')
}

const STATES = {
  paused: 'Paused. What runners change is computed all the same; npm run reprocess -- --resume goes on with the rest.',
  queueing: 'The running service is queueing the activities, account by account.',
  computing: 'The running service is computing, the newest activities first.',
  done: 'There is nothing to compute again.'
}

function describe ({ state, changed, in_bulk, versions }: ReprocessingStatus): string {
  return [
    STATES[state],
    `  waiting: ${in_bulk} in bulk, ${changed} changed by runners`,
    `  formulas: version ${versions.recording} of recordings, ${versions.load} of loads`
  ].join('\n')
}
