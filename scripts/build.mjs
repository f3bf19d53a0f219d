// Compiles the service to dist/ and copies the files that tsc does not.
//   node scripts/build.mjs               the service
//   node scripts/build.mjs --if-needed   only when a source is newer than the last build
//   node scripts/build.mjs --all         the service and its tests
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const SOURCES = [
  'src',
  'plugins',
  'routes',
  'jobs',
  'schemas',
  'db',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json'
]
const STAMP = 'dist/.built'

/** The latest modification time, in ms, of a file or of anything below a directory. */
function newest (path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(`${path}/${name}`)))
}

const all = process.argv.includes('--all')
if (process.argv.includes('--if-needed') && existsSync(STAMP)) {
  // An image contains dist/ without the sources: it is always up to date.
  const present = SOURCES.filter((path) => existsSync(path))
  if (!existsSync('src') || present.every((path) => newest(path) <= statSync(STAMP).mtimeMs)) process.exit(0)
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const started = new Date()
rmSync(STAMP, { force: true })
const { status } = spawnSync(process.execPath, [tsc, '-p', all ? 'tsconfig.json' : 'tsconfig.build.json'], {
  stdio: 'inherit'
})
if (status !== 0) process.exit(status ?? 1)
rmSync('dist/db/migrations', { recursive: true, force: true })
cpSync('db/migrations', 'dist/db/migrations', { recursive: true })
for (const name of ['view.css', 'view.js', 'view.svg']) { cpSync(`src/views/health-page/${name}`, `dist/src/views/health-page/${name}`) }
writeFileSync(STAMP, `${started.toISOString()}\n`)
