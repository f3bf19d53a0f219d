import { check } from './commands/check.ts'
import { EXIT, UsageError } from './commands/command.ts'
import type { Command } from './commands/command.ts'
import { explainWith } from './commands/explain.ts'
import { importTo } from './commands/import.ts'
import { migrate } from './commands/migrate.ts'
import { reprocess } from './commands/reprocess.ts'
import { spread } from './commands/spread.ts'
import { ConfigError, describeProblems } from './config/config.ts'
import { ERROR_CATALOGUE } from './error-catalogue.ts'

const explain = explainWith(ERROR_CATALOGUE)
const COMMANDS = new Map<string, Command>(Object.entries({
  check, migrate, spread, reprocess, explain, import: importTo(process.stderr)
}))

const HELP = [
  'Usage: npm run VERB -- [ARGUMENTS]',
  '',
  ...[...COMMANDS].flatMap(([verb, { usage, summary }]) => [`  ${verb} ${usage}`.trimEnd(), `      ${summary}`]),
  '',
  'Exit codes: 0 done, 1 not done or a check failed, 64 wrong usage, 66 a file cannot be read, 69 the service cannot be',
  'reached, 77 the token is refused, 78 bad configuration, 130 stopped.'
].join('\n')

/** Does what the arguments ask for; answers the exit code. */
async function main ([verb = '--help', ...args]: string[]): Promise<number> {
  const print = (text: string) => console.log(text)
  if (verb === '--help' || verb === '-h' || verb === 'help') {
    print(HELP)
    return EXIT.ok
  }
  const command = COMMANDS.get(verb)
  if (!command) {
    console.error(`There is no verb of that name.\n\n${HELP}`)
    return EXIT.usage
  }
  if (args.includes('--help') || args.includes('-h')) {
    print(`Usage: npm run ${verb} -- ${command.usage}\n\n${command.summary}`)
    return EXIT.ok
  }
  try {
    return await command.run(args, print)
  } catch (error) {
    if (isUsage(error)) {
      console.error(`${error.message}\n\nUsage: npm run ${verb} -- ${command.usage}`)
      return EXIT.usage
    }
    if (error instanceof ConfigError) {
      console.error(describeProblems(error))
      return EXIT.config
    }
    throw error
  }
}

/** Ours, or what `parseArgs` throws. */
function isUsage (error: unknown): error is Error {
  return (
    error instanceof UsageError ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  )
}

// The reader of the pipe may stop reading: `npm run explain -- ID | head`.
process.stdout.on('error', () => process.exit(EXIT.ok))
const code = await main(process.argv.slice(2))
// A connection to a server that is frozen may still be open; it must not hold the answer up.
process.stdout.write('', () => process.exit(code))
