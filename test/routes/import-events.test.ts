import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { ended, importAll, sendAll } from '../harness/bulk-imports.ts'
import { EXAMPLES, example, until } from '../harness/imports.ts'
import { startService, type Runner, type Service } from '../harness/service.ts'

t.setTimeout(120_000)
const service = await startService(t, { parts: { scheduled: true } })
const { runner, database: { sql } } = service
const files = EXAMPLES.map((name) => ({ name, bytes: example(name) }))

interface Told { event: string, id?: string, data: any }

function eventsIn (text: string): Told[] {
  return text.split('\n\n').filter((block) => block.startsWith('event: ')).map((block) => {
    const lines = block.split('\n').map((line) => /^(\w+): (.*)$/.exec(line)!.slice(1) as [string, string])
    const fields = Object.fromEntries(lines)
    const id = fields.id === undefined ? {} : { id: fields.id }
    return { event: fields.event!, ...id, data: JSON.parse(fields.data!) }
  })
}

/** An import that no job works on. */
async function idleImport ({ id }: Runner, { database: { sql } }: Service = service): Promise<string> {
  const importId = randomUUID()
  await sql`/* test */ insert into imports (user_id, import_id, status, files_total) values (${id}, ${importId}, 'queued', 3)`
  return importId
}

t.test('the events of an import are its files in order and, at its end, what became of it', async (t) => {
  const ann = await runner()
  const { body } = await sendAll(ann, files)
  const answer = await ann.call('GET', `/imports/${body.import.id}/events`)
  t.match(answer, { status: 200, headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  const events = eventsIn(answer.body)
  const { import: found, files: reported } = await ended(ann, body.import.id)
  const told = events.filter(({ event }) => event === 'file')
  t.same(told.map(({ data }) => data), reported)
  t.same(told.map(({ id }) => id), ['0', '1', '2', '3'])
  t.same(events.at(-1), { event: 'done', data: found })
  t.equal(events.filter(({ event }) => event === 'done').length, 1)
  t.ok(events.every(({ event }) => ['file', 'progress', 'done'].includes(event)))
})

t.test('a client that connects again is told of the files after the last one it had', async (t) => {
  const ann = await runner()
  const { import: { id } } = await importAll(ann, files)
  const { body } = await ann.call('GET', `/imports/${id}/events`, undefined, { 'last-event-id': '2' })
  t.same(eventsIn(body).map(({ event, id }) => [event, id]), [['file', '3'], ['done', undefined]])
  t.equal((await ann.call('GET', `/imports/${id}/events`, undefined, { 'last-event-id': 'x' })).status, 422)
  t.equal((await ann.call('HEAD', `/imports/${id}/events`)).status, 200)
  t.equal((await (await runner()).call('GET', `/imports/${id}/events`)).status, 404)
})

async function watch (port: number, ann: Runner, id: string): Promise<IncomingMessage> {
  const request = get({ port, path: `/api/v1/imports/${id}/events`, headers: { authorization: `Bearer ${ann.access_token}` } })
  const [response] = await once(request, 'response') as [IncomingMessage]
  return response
}

t.test('a runner watches imports on six connections, and gets the place of one that is closed', async (t) => {
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = service.app.server.address() as AddressInfo
  const ann = await runner()
  const id = await idleImport(ann)
  const watching = await Promise.all(Array.from({ length: 6 }, async () => await watch(port, ann, id)))
  t.same(watching.map(({ statusCode }) => statusCode), Array(6).fill(200))
  const refused = await ann.call('GET', `/imports/${id}/events`)
  t.match(refused, { status: 429, body: { error_code: 'RATE_LIMITED' }, headers: { 'retry-after': '5' } })
  const ben = await runner()
  const other = await watch(port, ben, await idleImport(ben))
  t.equal(other.statusCode, 200, 'another runner is not kept from watching')
  watching[0]!.destroy()
  await until(async () => {
    const again = await watch(port, ann, id)
    again.destroy()
    return again.statusCode === 200
  })
  await sql`/* test */ update imports set status = 'done', revision = revision + 1, ended_at = now() where import_id = ${id}`
  const texts = await Promise.all(watching.slice(1).map(async (response) => {
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  }))
  for (const text of texts) t.same(eventsIn(text).map(({ event }) => event), ['progress', 'done'])
  other.destroy()
})

t.test('a shutdown ends the events of an import that goes on', async (t) => {
  const closing = await startService(t)
  const ann = await closing.runner()
  const id = await idleImport(ann, closing)
  await closing.app.listen({ host: '127.0.0.1', port: 0 })
  const response = await watch((closing.app.server.address() as AddressInfo).port, ann, id)
  const closed = closing.app.close()
  let text = ''
  for await (const chunk of response) text += String(chunk)
  t.same(eventsIn(text).map(({ event }) => event), ['progress'])
  t.ok(response.complete, 'the answer is whole')
  await closed
})

t.test('a queue that stands still degrades the health of jobs, and shows in the metrics', async (t) => {
  await service.app.jobs.run('watch-queues')
  t.equal(service.app.jobs.problem(), undefined)
  // Nobody takes jobs of this queue.
  await sql`/* test */ insert into pgboss_queue (name) values ('stuck')`
  await sql`/* test */
    insert into pgboss_job (name, created_on, start_after) values ('stuck', now() - interval '6 minutes', now() - interval '6 minutes')
  `
  await service.app.jobs.run('watch-queues')
  const problem = service.app.jobs.problem()
  const { body } = await service.app.inject({ url: '/metrics' })
  t.match(problem, /the oldest job in stuck has waited for 3\d\d s/)
  t.match(body, /job_queue_jobs\{queue="stuck",state="waiting"\} 1/)
  t.match(body, /jobs_total\{queue="imports",outcome="done"\} \d/)
})
