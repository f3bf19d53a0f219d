import { parseArgs } from 'node:util'
import { failureOf } from '../../db/failure.ts'
import { spread as spreadOver } from '../../db/spread-database.ts'
import { readConfig } from '../config/read.ts'
import { EXIT, printable } from './command.ts'
import type { Command } from './command.ts'

export const spread: Command = {
  usage: '',
  summary: 'Spreads the tables of runners over the workers of a Citus cluster; may be repeated.',
  async run (args, print) {
    parseArgs({ args, options: {} })
    const { database } = readConfig()
    const url = database.migrationUrl ?? database.url
    if (url === undefined) {
      print('DATABASE_URL is not set. The embedded PostgreSQL is a single server.')
      return EXIT.failed
    }
    try {
      const tables = await spreadOver(url)
      print(tables.length === 0 ? 'Every table is spread already.' : `Spread by user_id: ${tables.join(', ')}`)
      return EXIT.ok
    } catch (error) {
      const variable = database.migrationUrl === undefined ? 'DATABASE_URL' : 'DATABASE_MIGRATION_URL'
      const { reason, remedy } = failureOf(error, url)
      print(printable(`Nothing was spread: ${reason}.`))
      print(printable(`  ${error instanceof Error ? error.message : String(error)}`))
      print(printable(`  → ${remedy.replaceAll('DATABASE_URL', variable)}`))
      return EXIT.failed
    }
  }
}
