// Writes the table in docs/RELIABILITY.md from the faults in test/harness/fault-matrix.ts. Build with --all first.
//   node scripts/write-reliability-docs.mjs           writes the table
//   node scripts/write-reliability-docs.mjs --check   exits with 1 if the table is out of date
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const { describeFaults } = await import('../dist/test/harness/fault-matrix.js')

const PAGE = 'docs/RELIABILITY.md'
const BEGIN = '<!-- The table: node scripts/write-reliability-docs.mjs -->'
const END = '<!-- End of the table -->'

const text = readFileSync(PAGE, 'utf8')
const [before, rest] = text.split(BEGIN)
const after = rest?.split(END)[1]
if (after === undefined) throw new Error(`${PAGE} lacks the lines "${BEGIN}" and "${END}"`)
const wanted = `${before}${BEGIN}\n\n${describeFaults()}\n\n${END}${after}`
if (wanted !== text) {
  if (process.argv.includes('--check')) {
    console.error(`${PAGE} is out of date: run node scripts/write-reliability-docs.mjs`)
    process.exitCode = 1
  } else {
    writeFileSync(PAGE, wanted)
    console.log(`${PAGE} written`)
  }
}
