import { once } from 'node:events'
import { request as overHttp, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as overHttps } from 'node:https'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { Form } from './form.ts'

export interface Service {
  /** The address of the service, without a path. */
  url: URL
  token: string
  signal: AbortSignal
}

export interface Upload {
  form: Form
  key: string
  allowDuplicate: boolean
}

/** What is read of an import, as the service answers it. */
export interface BulkImport {
  id: string
  status: 'queued' | 'running' | 'done' | 'failed' | 'reverted'
  reason?: string | null
  files_total: number
  imported: number
  duplicates: number
  skipped: number
  failed: number
}

/** What became of a file. */
export interface ImportedFile {
  name: string
  status: 'imported' | 'duplicate' | 'skipped' | 'failed'
  reason: string | null
}

/** The service could not be asked at all. */
export class Unreachable extends Error {}

/** The service refused. */
export class Refused extends Error {
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** So often is asked again where the service says that it cannot answer now, or the connection breaks. */
const TRIES = 6
/** The longest wait for the service to ask for. */
const MAX_WAIT_S = 60
/** A connection over which nothing comes or goes for so long is lost. */
const SILENCE_MS = 180_000
/** What may be otherwise in a moment. */
const LATER = new Set([409, 429, 502, 503, 504])

/** @throws Unreachable, Refused */
export async function checkToken (service: Service): Promise<void> {
  await get(service, '/api/v1/me')
}

/** @throws Unreachable, Refused */
export async function findImport (service: Service, id: string): Promise<BulkImport> {
  return await get(service, `/api/v1/imports/${encodeURIComponent(id)}`) as BulkImport
}

/** What became of the files, a page at a time. @throws Unreachable, Refused */
export async function * importedFiles (service: Service, id: string): AsyncGenerator<ImportedFile> {
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const path = `/api/v1/imports/${encodeURIComponent(id)}/files?limit=200${query}`
    const page = await get(service, path) as { items: ImportedFile[], next_cursor: string | null }
    yield * page.items
    cursor = page.next_cursor
  } while (cursor !== null)
}

/** Sends the form; where that fails for the moment, again with the same key. @throws Unreachable, Refused */
export async function upload (service: Service, { form, key, allowDuplicate }: Upload): Promise<BulkImport> {
  const path = `/api/v1/imports${allowDuplicate ? '?allow_duplicate=true' : ''}`
  return await trying(service, async () => {
    const { status, headers, body } = await ask(service, 'POST', path, { form, key })
    if (status === 202) return (JSON.parse(body.toString('utf8')) as { import: BulkImport }).import
    throw refusedWith(status, body, headers['retry-after'])
  })
}

async function get (service: Service, path: string): Promise<unknown> {
  return await trying(service, async () => {
    const { status, headers, body } = await ask(service, 'GET', path)
    if (status === 200) return JSON.parse(body.toString('utf8')) as unknown
    throw refusedWith(status, body, headers['retry-after'])
  })
}

/** The answer is read even where it comes before all is sent: it says why the rest is not wanted. */
async function ask (
  { url, token, signal }: Service,
  method: 'GET' | 'POST',
  path: string,
  upload?: Pick<Upload, 'form' | 'key'>
): Promise<{ status: number, headers: IncomingHttpHeaders, body: Buffer }> {
  const request = (url.protocol === 'https:' ? overHttps : overHttp)(new URL(path, url), {
    method,
    signal,
    timeout: SILENCE_MS,
    headers: { authorization: `Bearer ${token}`, ...(upload === undefined ? {} : headersOf(upload)) }
  })
  request.on('timeout', () => request.destroy(new Error('The connection is silent')))
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  const source = Readable.from(upload?.form.body() ?? [], { objectMode: false })
  let ofSource: Error | undefined
  source.on('error', (error) => {
    ofSource = error
    request.destroy(error)
  })
  source.pipe(request)
  try {
    const [response] = await answered
    return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) }
  } catch (error) {
    throw ofSource ?? error
  } finally {
    source.destroy()
    request.destroy()
  }
}

function headersOf ({ form: { contentType, contentLength }, key }: Pick<Upload, 'form' | 'key'>): OutgoingHttpHeaders {
  return {
    'content-type': contentType,
    'idempotency-key': key,
    ...(contentLength === undefined ? {} : { 'content-length': contentLength })
  }
}

/** A wait that the service asked for, with why. */
class Later extends Refused {
  readonly waitS: number

  constructor (status: number, message: string, waitS: number) {
    super(status, message)
    this.waitS = waitS
  }
}

function refusedWith (status: number, body: Buffer, retryAfter: string | undefined): Refused {
  const message = messageOf(body) ?? `The service answered ${status}`
  if (!LATER.has(status)) return new Refused(status, message)
  const waitS = Number(retryAfter)
  return new Later(status, message, Number.isFinite(waitS) ? Math.min(MAX_WAIT_S, Math.max(1, waitS)) : 5)
}

function messageOf (body: Buffer): string | undefined {
  try {
    const { message } = JSON.parse(body.toString('utf8')) as { message?: unknown }
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

async function trying<Answer> ({ url, signal }: Service, ask: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const broken = brokenCode(error)
      if (broken === undefined && !(error instanceof Later)) throw error
      // Where nobody listens, nobody is going to in a moment.
      if (tries === TRIES || (tries === 1 && broken !== undefined && NOWHERE.has(broken))) {
        throw broken === undefined ? error : new Unreachable(`The service at ${url.origin} cannot be reached (${broken})`)
      }
      await pause(1000 * (error instanceof Later ? error.waitS : 2 ** (tries - 1)), undefined, { signal })
    }
  }
}

const NOWHERE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** The code of a connection that could not be made or broke; undefined for all other errors. */
function brokenCode (error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof Refused) return undefined
  const cause = error.cause instanceof Error ? error.cause : error
  const code = (cause as NodeJS.ErrnoException).code
  if (typeof code === 'string' && /^(E[A-Z]+|CERT_\w+|DEPTH_\w+|SELF_\w+|UNABLE_\w+|ERR_(TLS|SSL)\w+)$/.test(code)) {
    return code
  }
  return cause.message === 'The connection is silent' ? 'no answer' : undefined
}
