import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { runNode } from '../harness/plain-node.ts'
import { startProcess } from '../harness/service.ts'

interface DemoActivity {
  kind: string
  day: string
  start_time: string
  name: string
  distance_m: number
  moving_s: number
  elapsed_s: number
  recorded: boolean
}
interface History {
  settings: Array<{ valid_from: string }>
  plan: { start_date: string, end_date: string }
  workouts: Array<{ date: string, external_id: string }>
  activities: DemoActivity[]
}
const { history } = await import(pathToFileURL('scripts/demo/history.mjs').href) as {
  history (today: string, options?: { weeks: number }): History
}

t.test('the history of the demo is the same each time, and believable', async (t) => {
  const all = history('2026-11-30')
  t.same(history('2026-11-30'), all)
  const { settings, plan, workouts, activities } = all
  const runs = activities.filter(({ kind }) => kind !== 'cycling')
  t.ok(runs.length > 380 && runs.length < 500, `${runs.length} runs`)
  t.same(activities.map(({ start_time }) => start_time), activities.map(({ start_time }) => start_time).toSorted())
  t.equal(new Set(activities.map(({ day }) => day)).size, activities.length, 'one a day')
  t.ok(runs.slice(-60).every(({ recorded }) => recorded), 'the newest are recorded')
  t.ok(activities.filter(({ recorded }) => recorded).length < 70)
  for (const { distance_m, moving_s, elapsed_s } of runs) {
    const pace = moving_s / distance_m * 1000
    t.ok(pace > 240 && pace < 420 && elapsed_s >= moving_s && distance_m >= 3000, `${distance_m} m at ${pace} s/km`)
  }
  t.equal(runs.filter(({ kind }) => kind === 'race').length, 6)
  const gaps = runs.slice(1).map(({ day }, i) => (Date.parse(day) - Date.parse(runs[i]!.day)) / 86_400_000)
  t.ok(gaps.filter((days) => days > 14).length === 1 && Math.max(...gaps) > 40, 'one injury')
  t.ok(settings[0]!.valid_from <= activities[0]!.day)
  t.ok(workouts.every(({ date }) => date >= plan.start_date && date <= plan.end_date))
  t.equal(new Set(workouts.map(({ external_id }) => external_id)).size, workouts.length)
  for (const day of ['2026-01-01', '2026-02-28', '2027-03-14']) {
    const { activities } = history(day)
    t.ok(activities.at(-1)!.day < day && (Date.parse(day) - Date.parse(activities.at(-1)!.day)) / 86_400_000 < 5, day)
  }
})

t.test('the demo makes an account through the public API, and another one when it is run again', async (t) => {
  const service = await startProcess(t)
  const pictures = await mkdtemp(join(tmpdir(), 'running-trainer-'))
  t.teardown(async () => await rm(pictures, { recursive: true, force: true }))
  const env = { PORT: String(service.port) }
  const demo = async () => await runNode(['scripts/demo.mjs', '--weeks', '2', '--pictures', pictures], { env })
  const { status, stdout, stderr } = await demo()
  t.same([status, stderr], [0, ''])
  t.match(stdout, /Sign in with {2}demo@example\.org /)
  t.match(stdout, /█{40} /, 'the progress is complete')
  const [, key] = /KEY=(\S+)/.exec(stdout)!
  const get = async (path: string) => {
    const response = await fetch(`${service.url}/api/v1${path}`, { headers: { authorization: `Bearer ${key}` } })
    return { status: response.status, body: await response.json() as any }
  }
  const [, count] = /(\d+) activities in \d+ s/.exec(stdout)!
  t.ok(Number(count) >= 4, `${count} activities`)
  t.equal((await get('/activities?limit=200')).body.items.length, Number(count))
  t.ok((await get('/me/physiology')).body.items.length > 1)
  t.ok((await get('/analytics/records')).body.items.length > 5)
  t.not((await get('/analytics/zones')).body.pace, null)
  const { body } = await get('/analytics/load')
  t.ok(body.days.some(({ load }: { load: number }) => load > 20))
  t.same((await readdir(pictures)).toSorted(), ['load.svg', 'records.svg', 'run.svg', 'volume.svg'])
  t.match(await readFile(join(pictures, 'run.svg'), 'utf8'), /Pace, min\/km/)

  const again = await demo()
  t.equal(again.status, 0)
  t.match(again.stdout, /demo@example\.org exists already.*Sign in with {2}demo-\w+@example\.org /s)
  t.match((await runNode(['scripts/demo.mjs', '--weeks', '0'], { env })), { status: 2, stderr: /whole number from 1/ })
})
