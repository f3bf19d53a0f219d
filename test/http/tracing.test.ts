import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startProcess, type Ending, type ServiceProcess } from '../harness/service.ts'

const EASY_RUN = readFileSync(new URL('../../../examples/easy-run.fit', import.meta.url))
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

interface ExportedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: Array<{ key: string, value: Record<string, unknown> }>
  status?: { code?: number }
}

/** What OTLP over HTTP is sent to. */
async function startCollector (t: Ending) {
  const spans: ExportedSpan[] = []
  const services = new Set<unknown>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      if (request.url === '/v1/traces' && request.method === 'POST') {
        for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(chunks).toString()).resourceSpans) {
          for (const { key, value } of resource.attributes) if (key === 'service.name') services.add(value.stringValue)
          for (const scope of scopeSpans) spans.push(...scope.spans)
        }
      }
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { spans, services, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function signUp ({ url }: ServiceProcess): Promise<string> {
  const response = await fetch(`${url}/api/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"email":"ann@example.org","password":"correct horse battery"}'
  })
  return (await response.json() as { access_token: string }).access_token
}

const attribute = ({ attributes }: ExportedSpan, key: string) =>
  Object.values(attributes.find((one) => one.key === key)?.value ?? {})[0]

t.test('with an endpoint, requests, their statements and imports are spans of the caller’s trace', async (t) => {
  const { spans, services, endpoint } = await startCollector(t)
  const service = await startProcess(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_SERVICE_NAME: 'trainer-of-the-test'
  })
  const authorization = `Bearer ${await signUp(service)}`
  const traceparent = `00-${TRACE}-${PARENT}-01`
  const imported = await fetch(`${service.url}/api/v1/activities/import?allow_duplicate=true`, {
    method: 'POST',
    headers: { authorization, traceparent, 'content-type': 'application/octet-stream' },
    body: EASY_RUN
  })
  t.equal(imported.status, 201)
  const requestId = imported.headers.get('x-request-id') as string
  await imported.body?.cancel()
  for (const path of ['/health', '/metrics', '/api/v1/plans/no-uuid', '/nowhere']) { await (await fetch(service.url + path, { headers: { authorization } })).body?.cancel() }
  const line = await service.line(
    ({ message, request_id }) => message === 'request completed' && request_id === requestId
  )
  t.same(await service.stop(), { code: 0, signal: null })

  t.same([...services], ['trainer-of-the-test'])
  const mine = spans.filter(({ traceId }) => traceId === TRACE)
  const server = mine.find(({ parentSpanId }) => parentSpanId === PARENT) as ExportedSpan
  t.match(server, { name: 'POST /api/v1/activities/import', kind: 2 })
  t.equal(attribute(server, 'url.path'), '/api/v1/activities/import', 'without its query string')
  t.equal(attribute(server, 'request.id'), requestId)
  t.equal(Number(attribute(server, 'http.response.status_code')), 201)
  t.same(line.extra, { trace_id: TRACE, span_id: server.spanId }, 'the log line names the same span')

  const byId = new Map(mine.map((span) => [span.spanId, span]))
  const rooted = (span: ExportedSpan): boolean =>
    span.spanId === server.spanId ||
    (byId.has(span.parentSpanId ?? '') && rooted(byId.get(span.parentSpanId ?? '') as ExportedSpan))
  t.same(mine.filter((span) => !rooted(span)).map(({ name }) => name), [], 'all hang together')
  const statements = mine.filter((span) => attribute(span, 'db.system.name') === 'postgresql')
  t.match(statements, statements.map(() => ({ kind: 3 })))
  const names = new Set(statements.map(({ name }) => name))
  for (const name of ['findRecordingByBytes', 'lockUser', 'insertRecording', 'insertActivity']) { t.ok(names.has(name), name) }
  t.equal(
    Number(attribute(mine.find(({ name }) => name === 'decode recording') as ExportedSpan, 'recording.size_bytes')),
    EASY_RUN.length
  )
  const whole = mine.find(({ name }) => name === 'import recording') as ExportedSpan
  t.same([attribute(whole, 'import.format'), attribute(whole, 'import.outcome')], ['fit', 'imported'])
  t.ok(mine.every((span) => BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)))

  const requests = spans.filter(({ kind }) => kind === 2)
  t.same(
    requests.map(({ name }) => name).sort(),
    ['GET /api/v1/plans/:plan_id', 'GET unmatched', 'POST /api/v1/activities/import', 'POST /api/v1/auth/register'],
    'probes and scrapes are none'
  )
  t.equal(new Set(requests.map(({ traceId }) => traceId)).size, requests.length, 'each in a trace of its own')
  t.equal(spans.filter((span) => span.parentSpanId === undefined && span.kind !== 2).length, 0, 'jobs are no traces')
  t.notMatch(JSON.stringify(spans), /ann@example|correct horse|Bearer/)
})

t.test('what the caller does not sample is not sent, and its trace is in the log all the same', async (t) => {
  const { spans, endpoint } = await startCollector(t)
  const service = await startProcess(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: '0' })
  await (
    await fetch(`${service.url}/`, {
      headers: { traceparent: `00-${TRACE}-${PARENT}-00`, 'x-request-id': 'not-sampled' }
    })
  ).body?.cancel()
  await (await fetch(`${service.url}/`)).body?.cancel()
  t.match((await service.line(({ request_id }) => request_id === 'not-sampled')).extra, { trace_id: TRACE })
  await (await fetch(`${service.url}/`, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } })).body?.cancel()
  await service.stop()
  t.same(spans.filter(({ kind }) => kind === 2).map(({ parentSpanId }) => parentSpanId), [PARENT])
})

t.test('a collector that is not there costs a warning, and no answer', async (t) => {
  const service = await startProcess(t, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  await signUp(service)
  t.equal((await service.stop()).code, 0)
  t.match(
    service.lines.filter(({ error_code }) => error_code === 'TRACING'),
    [{ level: 'WARNING', logger_name: 'app.tracing' }]
  )
})

/** The modules a process had loaded when it ended, as V8's coverage names them. */
async function loaded (t: Ending, env: Record<string, string>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'loaded-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const service = await startProcess(t, { ...env, NODE_V8_COVERAGE: folder })
  await signUp(service)
  await service.stop()
  return readdirSync(folder).flatMap((name) =>
    (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: Array<{ url: string }> }).result.map(
      ({ url }) => url
    )
  )
}

t.test('without an endpoint nothing of it is loaded', async (t) => {
  const TRACING = /@fastify\/otel|@opentelemetry\/(sdk|exporter|instrumentation|resources)|\/src\/tracing\//
  const { endpoint } = await startCollector(t)
  const off = [
    ...(await loaded(t, {})),
    ...(await loaded(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' }))
  ]
  t.ok(off.some((url) => url.endsWith('/src/server.js')))
  t.same(off.filter((url) => TRACING.test(url)), [])
  t.ok((await loaded(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })).some((url) => TRACING.test(url)))
})
