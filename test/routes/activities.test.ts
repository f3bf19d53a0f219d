import t from 'tap'
import { EXAMPLES, example, send, until } from '../harness/imports.ts'
import { startService, type LogLine } from '../harness/service.ts'

const { runner, lines, database } = await startService(t)
/** Lines of what a test broke on purpose. */
const broken = new Set<object>()

t.test('the list is filtered by its query', async (t) => {
  const ann = await runner()
  for (const name of EXAMPLES) await send(ann, example(name))
  const all = (await ann.call('GET', '/activities')).body.items
  t.equal(all.length, 4)
  t.same(
    all.map(({ start_time }: { start_time: string }) => start_time),
    all
      .map(({ start_time }: { start_time: string }) => start_time)
      .sort()
      .reverse()
  )
  const count = async (query: string) => (await ann.call('GET', `/activities?${query}`)).body.items.length
  const [newest] = all
  t.equal(await count(`from=${newest.local_date}&to=${newest.local_date}`), 1)
  t.equal(await count('sport=cycling'), 0)
  t.equal(await count(`min_distance_m=${newest.distance_m}&max_distance_m=${newest.distance_m}`), 1)
  t.equal(await count('is_race=true'), 0)
  t.equal(await count('q=%25'), 0, 'a percent sign is a percent sign')
  const first = await ann.call('GET', '/activities?limit=2')
  const second = await ann.call('GET', `/activities?limit=2&cursor=${first.body.next_cursor}`)
  t.same([...first.body.items, ...second.body.items], all)
  t.equal(second.body.next_cursor, null)
})

t.test('an original that cannot be read to its end is logged as a server error', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, example('easy-run.fit'))
  await database.sql`delete from recording_chunks where user_id = ${ann.id}`
  await ann.call('GET', `/activities/${activity.id}/file`).catch(() => {})
  const find = () =>
    lines.find(
      ({ message, path }) => message === 'request completed' && path === `/api/v1/activities/${activity.id}/file`
    )
  await until(() => find() !== undefined)
  const line = find() as LogLine
  t.match(line, { level: 'ERROR', status_code: 500, error_code: 'INTERNAL_ERROR', exception: /is not there/ })
  broken.add(line)
})

t.test('there was no other error', async (t) => {
  t.same(lines.filter((line) => (line.level === 'ERROR' || line.level === 'CRITICAL') && !broken.has(line)), [])
})
