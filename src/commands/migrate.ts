import { parseArgs } from 'node:util'
import { failureOf } from '../../db/failure.ts'
import { migrate as applyMigrations } from '../../db/migrate.ts'
import { readConfig } from '../config/read.ts'
import { EXIT, printable } from './command.ts'
import type { Command } from './command.ts'

export const migrate: Command = {
  usage: '',
  summary: 'Applies the migrations that the database lacks; safe from many processes at once.',
  async run (args, print) {
    parseArgs({ args, options: {} })
    const { database } = readConfig()
    const url = database.migrationUrl ?? database.url
    if (url === undefined) {
      print('DATABASE_URL is not set. The embedded PostgreSQL runs, and is migrated, when the service starts.')
      return database.migrateOnStart ? EXIT.ok : EXIT.failed
    }
    const say =
      (level: string) =>
        (message: string, { error_code: code, ...fields }: { error_code?: string; [extra: string]: unknown } = {}) => {
          print(
            printable(
              [
                level,
                message,
                code,
                ...Object.entries(fields).map(
                  ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`
                )
              ]
                .filter(Boolean)
                .join(' ')
            )
          )
        }
    try {
      const { applied } = await applyMigrations(url, {
        log: { debug: () => {}, info: say(''), warning: say('WARNING:'), error: say('ERROR:') }
      })
      print(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`)
      return EXIT.ok
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
      const message = (error instanceof Error ? error.message : String(error)) || code
      const variable = database.migrationUrl === undefined ? 'DATABASE_URL' : 'DATABASE_MIGRATION_URL'
      const { reason, remedy } = failureOf(error, url)
      print(printable(`The migration failed: ${reason}.`))
      print(printable(`  ${message}`))
      print(printable(`  → ${remedy.replaceAll('DATABASE_URL', variable)}`))
      return EXIT.failed
    }
  }
}
