import { parseArgs } from 'node:util'
import { ConfigError } from '../config/config.ts'
import { readConfig } from '../config/read.ts'
import type { Config } from '../config/config.ts'
import type { Check } from './checks/check.ts'
import { checkDatabase } from './checks/database.ts'
import { checkService } from './checks/live.ts'
import { checkProblems, checkSettings } from './checks/settings.ts'
import { checkStorage } from './checks/storage.ts'
import { EXIT, printable } from './command.ts'
import type { Command } from './command.ts'

export interface Diagnosis {
  /** The worst status of the checks. */
  status: Check['status']
  checks: Check[]
}

export const check: Command = {
  usage: '[--json]',
  summary: 'The pre-deployment checklist and the troubleshooting, each line ok, warning or failed, with what to do.',
  async run (args, print) {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
    const diagnosis = await diagnose(readConfig)
    print(values.json ? JSON.stringify(diagnosis, null, 2) : report(diagnosis))
    return diagnosis.status === 'failed' ? EXIT.failed : EXIT.ok
  }
}

/** Runs every check; where the configuration is not valid, only that one. */
export async function diagnose (read: () => Config): Promise<Diagnosis> {
  let checks: Check[]
  try {
    const config = read()
    const parts = await Promise.all([checkStorage(config), checkDatabase(config), checkService(config)])
    checks = [...checkSettings(config), ...parts.flat()]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    checks = checkProblems(error)
  }
  const worst = (['failed', 'warning'] as const).find((status) => checks.some((check) => check.status === status))
  return { status: worst ?? 'ok', checks }
}

/** The checks as text, with the remedy below each that is not ok. */
function report ({ status, checks }: Diagnosis): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.flatMap(({ name, status, message, remedy }, index) => [
    `${status.padEnd(7)}  ${name.padEnd(width)}  ${printable(message)}`,
    // Printed once for neighbours that have the same remedy.
    ...(remedy === null || checks[index + 1]?.remedy === remedy
      ? []
      : [`${' '.repeat(7)}  ${' '.repeat(width)}  → ${printable(remedy)}`])
  ])
  const counts = (['ok', 'warning', 'failed'] as const).map(
    (kind) => `${checks.filter((check) => check.status === kind).length} ${kind}`
  )
  return [...lines, '', `${status}: ${counts.join(', ')}`].join('\n')
}
