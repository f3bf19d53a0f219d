// Writes docs/ERRORS.md from the one table of error codes in src/error-catalogue.ts. Build first.
//   node scripts/write-error-docs.mjs           writes it
//   node scripts/write-error-docs.mjs --check   exits with 1 if it is not current
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { STATUS_CODES } from 'node:http'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const { ERROR_CATALOGUE } = await import('../dist/src/error-catalogue.js')

const PAGE = 'docs/ERRORS.md'

const HEAD = `# Errors

<!-- Written by scripts/write-error-docs.mjs from src/error-catalogue.ts: change it there. -->

Every answer from 400 up has this body, whatever made it: a handler, validation, an unknown path, the HTTP parser, a timeout, load shedding or
a shutdown. \`details\` is there only where there is something to say. Answers that pass by themselves carry \`Retry-After\`, in seconds.

\`\`\`json error
{
  "error_id": "a1b2c3d4-e5f6-4890-abcd-ef1234567890",
  "error_code": "VALIDATION_ERROR",
  "message": "Plan end_date must be after start_date",
  "timestamp": "2026-01-15T10:30:00.123Z",
  "details": { "field": "end_date" }
}
\`\`\`

\`error_id\` is new each time and in the log too: \`npm run explain -- ERROR_ID\` tells the whole story, as [OPERATIONS.md](OPERATIONS.md) shows.
Programs should go by \`error_code\`, never by \`message\`.

`

/** One section for each status, one row for each code. */
function sections () {
  const groups = groupBy(Object.entries(ERROR_CATALOGUE), ([, { status }]) => status)
  const cell = (text) => text.replaceAll('|', '\\|')
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([status, entries]) =>
      [
        `## ${status} ${STATUS_CODES[status]}`,
        '',
        '| `error_code` | what leads to it | what to do |',
        '| --- | --- | --- |',
        ...entries.map(
          ([code, { cause, remedy, retryAfterS }]) =>
            `| \`${code}\` | ${cell(cause)} | ${cell(remedy)}${retryAfterS === undefined ? '' : ` \`Retry-After: ${retryAfterS}\`.`} |`
        ),
        ''
      ].join('\n')
    )
    .join('\n')
}

/** As Map.groupBy, which Node 20 does not have. */
function groupBy (items, keyOf) {
  const groups = new Map()
  for (const item of items) groups.set(keyOf(item), [...groups.get(keyOf(item)) ?? [], item])
  return groups
}

const text = `${HEAD}${sections()}`
if (existsSync(PAGE) && readFileSync(PAGE, 'utf8') === text) process.exit(0)
if (process.argv.includes('--check')) {
  console.error(`${PAGE} is not current: run node scripts/write-error-docs.mjs`)
  process.exitCode = 1
} else {
  writeFileSync(PAGE, text)
  console.log(`${PAGE} written`)
}
