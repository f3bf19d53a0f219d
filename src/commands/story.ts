import { logFiles, searchLines } from './log-search.ts'
import type { LogLine } from './log-search.ts'

/** The entry of one `error_code` in the error catalogue. */
export interface Explanation {
  status: number
  cause: string
  remedy: string
}

/** An error with everything that was logged while its request was handled. */
export interface Story {
  error_id: string
  error_code?: string
  status_code?: number
  timestamp?: string
  request_id?: string
  user_id?: string
  method?: string
  path?: string
  duration_ms?: number
  exception?: string
  /** What the catalogue says of the code. */
  explanation?: Explanation
  /** The request's queries that were logged as slow. */
  slow_queries: LogLine[]
  /** Every line of the request, in the order of time. */
  lines: LogLine[]
  /** Whether the request had more lines than are shown. */
  truncated: boolean
}

export type Search = { story: Story } | { candidates: string[] }

/** Of one request, no more lines than this are shown. */
const MOST_LINES = 5000

/** Of errors whose ids begin alike, no more than this are listed. */
const MOST_CANDIDATES = 10

/** How far the lines of a request may lie outside its duration, in ms. */
const MARGIN_MS = 1000

/**
 * Finds the error whose id is or begins with `id` in the logs under `dir`, and tells its story. Answers the ids instead
 * where several begin so, or none does.
 */
export async function findStory (
  dir: string,
  id: string,
  catalogue: Partial<Record<string, Explanation>> = {}
): Promise<Search> {
  const files = await logFiles(dir)
  const whole = id.length === 36
  const requests = new Map<string, string | undefined>()
  for (const file of files) {
    await searchLines(file, id, ({ error_id: errorId, request_id: requestId }) => {
      if (typeof errorId === 'string' && errorId.startsWith(id)) { requests.set(errorId, requests.get(errorId) ?? requestId) }
      return requests.size < MOST_CANDIDATES
    })
    if (requests.size >= MOST_CANDIDATES || (whole && requests.size > 0)) break
  }
  const [only, ...others] = requests
  if (!only || others.length > 0) return { candidates: [...requests.keys()] }
  const [errorId, requestId] = only

  const lines: LogLine[] = []
  let truncated = false
  // The oldest file first: lines of one millisecond then stay in their order.
  for (const file of files.reverse()) {
    await searchLines(file, requestId ?? errorId, (line) => {
      if (requestId === undefined ? line.error_id !== errorId : line.request_id !== requestId) return
      truncated = lines.length >= MOST_LINES
      if (truncated) return false
      lines.push(line)
    })
  }
  lines.sort((a, b) => timeOf(a) - timeOf(b))
  return { story: tell(errorId, withinRequest(errorId, lines), truncated, catalogue) }
}

function tell (
  errorId: string,
  lines: LogLine[],
  truncated: boolean,
  catalogue: Partial<Record<string, Explanation>>
): Story {
  const own = lines.filter((line) => line.error_id === errorId)
  const first = <K extends keyof LogLine>(key: K): LogLine[K] =>
    own.find((line) => line[key] !== undefined)?.[key] ?? lines.find((line) => line[key] !== undefined)?.[key]
  const errorCode = own.find((line) => line.error_code !== undefined)?.error_code
  return {
    error_id: errorId,
    error_code: errorCode,
    status_code: first('status_code'),
    timestamp: own[0]?.timestamp,
    request_id: first('request_id'),
    user_id: first('user_id'),
    method: first('method'),
    path: first('path'),
    duration_ms: own.find((line) => line.status_code !== undefined)?.duration_ms,
    exception: first('exception'),
    explanation: errorCode === undefined || !Object.hasOwn(catalogue, errorCode) ? undefined : catalogue[errorCode],
    slow_queries: lines.filter(
      ({ level, logger_name: name, duration_ms: took }) =>
        level === 'WARNING' && name?.startsWith('app.db') && took !== undefined
    ),
    lines,
    truncated
  }
}

/**
 * Clients choose request ids and may reuse one: of several requests with this id, only the one that failed counts, told
 * by its time.
 */
function withinRequest (errorId: string, lines: LogLine[]): LogLine[] {
  const completions = lines.filter(({ message }) => message === 'request completed')
  const own = completions.find((line) => line.error_id === errorId)
  if (completions.length < 2 || !own) return lines
  const end = timeOf(own) + MARGIN_MS
  const start = timeOf(own) - (own.duration_ms ?? 0) - MARGIN_MS
  return lines.filter(
    (line) =>
      line === own ||
      (!completions.includes(line) &&
        timeOf(line) >= start &&
        timeOf(line) <= end &&
        (line.error_id ?? errorId) === errorId)
  )
}

/** In ms; a line without a time goes to the front. */
function timeOf ({ timestamp }: LogLine): number {
  const time = Date.parse(timestamp ?? '')
  return Number.isNaN(time) ? -Infinity : time
}
