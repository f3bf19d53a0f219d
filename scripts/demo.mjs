// Makes an account with two years of training through the public API, and tells what to look at: `npm run demo`.
//   node scripts/demo.mjs [--weeks 104] [--pictures data/demo]
// PORT: where the service listens, or is started.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { history, WEEKS } from './demo/history.mjs'
import { recordingOf } from './demo/recording.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ADDRESS = `http://localhost:${process.env.PORT ?? 8000}`
const API = `${ADDRESS}/api/v1`
const LONGEST_START_MS = 60_000
/** So many requests at once: enough for a machine of two cores. */
const AT_ONCE = 6

const { values: options } = parseArgs({
  options: { weeks: { type: 'string', default: String(WEEKS) }, pictures: { type: 'string', default: join(ROOT, 'data/demo') } }
})
const weeks = Number(options.weeks)
if (!Number.isInteger(weeks) || weeks < 1 || weeks > WEEKS) {
  console.error(`--weeks is a whole number from 1 to ${WEEKS}`)
  process.exit(2)
}

const service = await startUnlessListening()
try {
  await demonstrate()
} catch (error) {
  console.error(`\nThe demo could not be made: ${error.message}`)
  service?.kill('SIGTERM')
  process.exitCode = 1
}
if (service !== undefined && process.exitCode === undefined) {
  console.log('\nThe service goes on running here: press Ctrl-C to stop it.')
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => service.kill('SIGTERM'))
  await once(service, 'exit')
}

async function demonstrate () {
  const started = performance.now()
  const { email, password, call } = await account()
  const { settings, plan, workouts, activities } = history(new Date().toISOString().slice(0, 10), { weeks })
  const progress = progressBar(settings.length + activities.length + 4)
  for (const dated of settings) {
    await call('POST', '/me/physiology', dated)
    progress()
  }
  await call('POST', '/gear', {
    name: 'Daily trainer', starting_distance_m: 120_000, retire_after_m: 1_500_000, is_default: true
  })
  progress()
  await call('POST', '/goals', { name: 'A steady week', metric: 'distance', period: 'week', target: 55_000, sport: 'running' })
  progress()
  const { id: planId } = await call('POST', '/plans', plan)
  progress()
  await call('PUT', `/plans/${planId}/workouts`, { workouts })
  progress()
  await inParallel(activities, async (activity) => {
    await store(call, activity)
    progress()
  })
  const { key } = await call('POST', '/api-keys', { name: 'Demo', scopes: ['read'] })
  const pictures = await savePictures(key, activities)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(tour({ email, password, key, planId, pictures, seconds, activities }))
}

/** A recording is imported, and then told what only the runner knows; the others are entered by hand. */
async function store (call, activity) {
  const { name, sport, start_time, distance_m, moving_s, elapsed_s, heart_rate_bpm, effort, kind, recorded } = activity
  if (!recorded) {
    await call('POST', '/activities', {
      sport,
      name,
      start_time,
      distance_m,
      moving_s,
      elapsed_s,
      average_heart_rate_bpm: heart_rate_bpm,
      perceived_effort: effort
    })
    return
  }
  const { activity: { id } } = await call('POST', '/activities/import', recordingOf(activity))
  await call('PATCH', `/activities/${id}`, { name, perceived_effort: effort, is_race: kind === 'race' })
}

/** A new account: where there has been a demo before, another one. Its password is for this account alone. */
async function account () {
  const password = randomBytes(12).toString('base64url')
  for (const email of ['demo@example.org', `demo-${Date.now().toString(36)}@example.org`]) {
    const response = await request('POST', '/auth/register', {
      email, password, name: 'Robin Demo', timezone: 'Europe/Berlin'
    })
    if (response.status === 409) {
      console.log(`The account ${email} exists already, from an earlier demo: this makes a new one.`)
      continue
    }
    const { access_token: token } = await answered(response)
    return {
      email,
      password,
      call: async (method, path, body) => await answered(await request(method, path, body, token))
    }
  }
  throw new Error('an account with a new e-mail address exists already')
}

/** Sends a request; where the rate limit of the service is reached, again when it says. */
async function request (method, path, body, token) {
  const isFile = body instanceof Buffer
  for (;;) {
    const response = await fetch(`${API}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' })
      },
      ...(body === undefined ? {} : { body: isFile ? body : JSON.stringify(body) })
    })
    if (response.status !== 429 && response.status !== 503) return response
    await response.arrayBuffer()
    await delay(Number(response.headers.get('retry-after') ?? 1) * 1000)
  }
}

async function answered (response) {
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

async function inParallel (items, work) {
  const left = items[Symbol.iterator]()
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const item of left) await work(item)
  }))
}

/** Starts the service where none listens, and waits until it is ready. Undefined: one runs already. */
async function startUnlessListening () {
  if (await isReady()) return undefined
  console.log(`No service listens at ${ADDRESS}: starting one.`)
  const build = spawn(process.execPath, ['scripts/build.mjs', '--if-needed'], { cwd: ROOT, stdio: 'inherit' })
  const [built] = await once(build, 'exit')
  if (built !== 0) process.exit(1)
  // In a group of its own, so that Ctrl-C reaches it once, by this process. Its log is in logs/app.log, too.
  const child = spawn(process.execPath, ['dist/src/server.js'], {
    cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'], detached: true
  })
  const latest = performance.now() + LONGEST_START_MS
  while (!await isReady()) {
    if (child.exitCode !== null || performance.now() > latest) {
      console.error('The service did not start: logs/app.log says why.')
      child.kill('SIGTERM')
      process.exit(1)
    }
    await delay(200)
  }
  return child
}

async function isReady () {
  try {
    const response = await fetch(`${ADDRESS}/health/ready`, { signal: AbortSignal.timeout(2000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** A bar on a terminal, and a line for each tenth elsewhere. */
function progressBar (total) {
  const WIDTH = 40
  let done = 0
  return () => {
    done++
    const full = Math.floor(done / total * WIDTH)
    const text = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${done}/${total}`
    if (process.stdout.isTTY) process.stdout.write(`\r${text}${done === total ? '\n' : ''}`)
    else if (Math.floor(done * 10 / total) > Math.floor((done - 1) * 10 / total)) console.log(text)
  }
}

/** Pictures for a browser, which cannot send the key. */
async function savePictures (key, activities) {
  const get = async (path) => {
    const response = await request('GET', path, undefined, key)
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response
  }
  const days = `from=${activities[0].day}`
  const newest = await (await get('/activities?limit=1&sport=running')).json()
  const paths = {
    'load.svg': `/analytics/load.svg?${days}&forecast=true`,
    'volume.svg': `/analytics/volume.svg?by=week&${days}`,
    'records.svg': '/analytics/records.svg',
    'run.svg': `/activities/${newest.items[0].id}/chart.svg`
  }
  mkdirSync(options.pictures, { recursive: true })
  return await Promise.all(Object.entries(paths).map(async ([name, path]) => {
    const file = join(options.pictures, name)
    writeFileSync(file, await (await get(path)).text())
    return file
  }))
}

function tour ({ email, password, key, planId, pictures, seconds, activities }) {
  const get = (path) => `  curl -s '${API}${path}' -H "authorization: Bearer $KEY"`
  return `
${activities.length} activities in ${seconds} s: base, races, an injury, and the build for a marathon in two weeks.

Sign in with  ${email}  and the password  ${password}
  curl -s ${API}/auth/login -H 'content-type: application/json' -d '{"email":"${email}","password":"${password}"}'

What to look at, with a key that may only read:
  KEY=${key}
${get('/analytics/fitness')}
${get('/analytics/load?forecast=true')}
${get('/analytics/volume?by=month')}
${get('/analytics/records')}
${get('/analytics/zones')}
${get(`/plans/${planId}/compliance`)}

Pictures, for a browser:
${pictures.map((file) => `  ${file}`).join('\n')}

Every route: ${ADDRESS}/docs`
}
