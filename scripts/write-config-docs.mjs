// Writes .env.example and the table in docs/CONFIGURATION.md from the table of variables in src/config/settings.ts.
// Build first.
//   node scripts/write-config-docs.mjs           writes both
//   node scripts/write-config-docs.mjs --check   exits with 1 if either is out of date
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const { SECTIONS, SETTING_NAMES, SETTINGS } = await import('../dist/src/config/settings.js')

const BEGIN = '<!-- The table: node scripts/write-config-docs.mjs -->'
const END = '<!-- End of the table -->'
const COLUMNS = 120

function namesIn (section) {
  return SETTING_NAMES.filter((name) => SETTINGS[name].section === section)
}

/** A text broken into lines of at most `width` characters. */
function wrap (text, width) {
  return text.split(' ').reduce((lines, word) => {
    const longer = `${lines.at(-1)} ${word}`.trim()
    return longer.length > width ? [...lines, word] : [...lines.slice(0, -1), longer]
  }, [''])
}

function envExample () {
  const lines = [
    '# Copy to .env, which is read outside production; the environment takes precedence. Each line is a default or an example.'
  ]
  for (const section of SECTIONS) {
    lines.push('', `# --- ${section} ---`)
    for (const name of namesIn(section)) {
      const setting = SETTINGS[name]
      const value = setting.default ?? setting.example ?? ''
      const note = setting.defaultText ? ` Default: ${setting.defaultText}.` : ''
      const required = setting.requiredInProduction ? ' Required in production.' : ''
      lines.push(
        '',
        ...wrap(`${setting.description}${note}${required} Accepts ${setting.expected ?? 'text'}.`, COLUMNS - 2).map(
          (line) => `# ${line}`
        )
      )
      lines.push(`# ${name}=${/[\s#'"]/.test(value) ? `"${value}"` : value}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function table () {
  const cell = (text) => String(text).replaceAll('|', '\\|')
  const lines = []
  for (const section of SECTIONS) {
    lines.push(`### ${section}`, '', '| variable | default | accepts | description |', '| --- | --- | --- | --- |')
    for (const name of namesIn(section)) {
      const setting = SETTINGS[name]
      const byDefault = setting.defaultText ?? (setting.default === undefined ? 'none' : `\`${setting.default}\``)
      lines.push(
        `| \`${name}\` | ${cell(byDefault)}${setting.requiredInProduction ? '; required in production' : ''} | ${cell(setting.expected ?? 'text')} | ${cell(setting.description)} |`
      )
    }
    lines.push('')
  }
  return lines.join('\n')
}

function page (text) {
  const [before, rest] = text.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error(`docs/CONFIGURATION.md lacks the lines "${BEGIN}" and "${END}"`)
  return `${before}${BEGIN}\n\n${table()}\n${END}${after}`
}

const PAGE = 'docs/CONFIGURATION.md'
const wanted = { '.env.example': envExample(), [PAGE]: page(readFileSync(PAGE, 'utf8')) }
for (const [path, text] of Object.entries(wanted)) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
  if (process.argv.includes('--check')) {
    console.error(`${path} is out of date: run node scripts/write-config-docs.mjs`)
    process.exitCode = 1
  } else {
    writeFileSync(path, text)
    console.log(`${path} written`)
  }
}
