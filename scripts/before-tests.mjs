// What npm test does before the tests: lint, the build of everything, and tap's own build, side by side.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** The script behind a command of a package. */
function binary (name, command = name) {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`)
  const { bin } = createRequire(import.meta.url)(file)
  return join(dirname(file), typeof bin === 'string' ? bin : bin[command])
}

const steps = {
  lint: [binary('eslint'), '.'],
  build: ['scripts/build.mjs', '--all'],
  'tap build': [binary('tap'), 'build']
}
const failed = await Promise.all(Object.entries(steps).map(async ([name, args]) => {
  const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')
  return code === 0 ? [] : [name]
}))
for (const name of failed.flat()) console.error(`${name} failed`)
process.exit(failed.flat().length === 0 ? 0 : 1)
