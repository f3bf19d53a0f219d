import { exceptionText } from './exception.ts'
import { extraText } from './extra.ts'
import { redactPath, redactText } from './redact.ts'
import { clip } from './text.ts'
import { durationText, timestamp } from './timestamp.ts'

export const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const
export type Level = typeof LEVELS[number]

/** The rank of each level: lines below the level of the logger are not written. */
export const WEIGHT: Record<Level, number> = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 }

/** The keys of a line, in their order. */
export const LINE_KEYS = [
  'timestamp', 'level', 'logger_name', 'message', 'request_id', 'user_id', 'method', 'path',
  'status_code', 'duration_ms', 'error_id', 'error_code', 'exception', 'status', 'extra'
] as const

/** The maximum length of a line in bytes, including its newline. */
export const LINE_BYTES_AT_MOST = 64 * 1024

export interface LogFields {
  error_id?: string
  error_code?: string
  status_code?: number
  duration_ms?: number
  status?: string
  /** The thrown value; the line has it as `exception`, with stack and causes. */
  error?: unknown
  /** Everything else goes under `extra`. */
  [extra: string]: unknown
}

/**
 * The common fields of all lines of one request. They are read when a line is written, so a `user_id` set later is on
 * all later lines.
 */
export interface LogContext {
  request_id?: string | undefined
  user_id?: string | undefined
  method?: string | undefined
  /** Without the query string; for a path that is itself a secret, the route pattern. */
  path?: string | undefined
  /** Added to each line's `extra` after its own fields: `trace_id`, `span_id`. */
  extra?: Record<string, unknown> | undefined
}

export const NO_CONTEXT: LogContext = Object.freeze({})

// Together with keys and brackets under LINE_BYTES_AT_MOST.
const MESSAGE_BYTES = 8192
const EXCEPTION_BYTES = 34 * 1024
const EXTRA_BYTES = 12 * 1024
const PATH_BYTES = 4096
const WORD_BYTES = 256

const CONTEXT_KEYS = ['request_id', 'user_id', 'method', 'path'] as const
const NO_FIELDS: LogFields = Object.freeze({})

/**
 * One line of the log including its newline: a JSON object without a space after its colons, keys in the order of
 * {@link LINE_KEYS}, unknown ones absent. It accepts any value, never throws, and returns at most
 * {@link LINE_BYTES_AT_MOST} bytes.
 *
 * A field of the wrong type goes under `extra`. Without a request in the context, `request_id`, `user_id`, `method` and
 * `path` are taken from the fields (a job has a user, but no request).
 */
export function formatLine (
  level: Level,
  loggerName: string,
  message: string,
  context: LogContext = NO_CONTEXT,
  fields: LogFields = NO_FIELDS
): string {
  let line = `{"timestamp":"${timestamp()}","level":"${level}","logger_name":${clip(String(loggerName), WORD_BYTES)},"message":${messages.get(message) ?? messageText(message)}`
  const rest: Record<string, unknown> = { ...context.extra }
  const own = ownFields(fields, rest)

  line += word(',"request_id":', context.request_id ?? own.request_id)
  line += word(',"user_id":', context.user_id ?? own.user_id)
  line += word(',"method":', context.method ?? own.method)
  const path = context.path ?? own.path
  if (typeof path === 'string') line += `,"path":${clip(redactPath(path), PATH_BYTES)}`
  if (own.status_code !== undefined) line += `,"status_code":${own.status_code}`
  if (own.duration_ms !== undefined) line += `,"duration_ms":${durationText(own.duration_ms)}`
  line += word(',"error_id":', own.error_id)
  line += word(',"error_code":', own.error_code ?? (WEIGHT[level] >= WEIGHT.ERROR ? 'INTERNAL_ERROR' : undefined))
  if (own.exception !== undefined) line += `,"exception":${clip(own.exception, EXCEPTION_BYTES)}`
  line += word(',"status":', own.status)
  if (hasContext(own)) {
    for (const key of CONTEXT_KEYS) {
      const value = own[key]
      if (value !== undefined && context[key] !== undefined && context[key] !== value) rest[key] = value
    }
  }
  if (Object.keys(rest).length > 0) {
    const extra = extraText(rest, EXTRA_BYTES)
    if (extra !== '{}') line += `,"extra":${extra}`
  }
  return line + '}\n'
}

/** The fields with their own key in the line, of the right type. */
interface Own {
  request_id?: string
  user_id?: string
  method?: string
  path?: string
  status_code?: number
  duration_ms?: number
  error_id?: string
  error_code?: string
  exception?: string
  status?: string
}

/** Separates the fields with their own key from the extra ones, which go into `rest`. */
function ownFields (fields: LogFields, rest: Record<string, unknown>): Own {
  const own: Own = {}
  for (const key of namesOf(fields)) {
    let value: unknown = '[unreadable]'
    try {
      value = fields[key]
    } catch {
      // A getter threw: the name alone is logged.
    }
    switch (key) {
      case 'error':
        own.exception = exceptionText(value)
        continue
      case 'status_code':
        if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 999) {
          own.status_code = value as number
          continue
        }
        break
      case 'duration_ms':
        if (Number.isFinite(value) && (value as number) >= 0) {
          own.duration_ms = value as number
          continue
        }
        break
      case 'request_id':
      case 'user_id':
      case 'method':
      case 'path':
      case 'error_id':
      case 'error_code':
      case 'status':
        if (typeof value === 'string') {
          own[key] = value
          continue
        }
    }
    if (value === undefined) continue
    // `__proto__` as an own key of a parsed object must stay a key.
    if (key === '__proto__') { Object.defineProperty(rest, key, { value, enumerable: true, writable: true, configurable: true }) } else rest[key] = value
  }
  return own
}

function hasContext ({ request_id: requestId, user_id: userId, method, path }: Own): boolean {
  return requestId !== undefined || userId !== undefined || method !== undefined || path !== undefined
}

function namesOf (fields: LogFields): string[] {
  try {
    return fields === NO_FIELDS ? [] : Object.keys(fields)
  } catch {
    return []
  }
}

function word (key: string, value: unknown): string {
  return typeof value === 'string' ? key + clip(value, WORD_BYTES) : ''
}

/** Messages as JSON. They come from code, so they are few; the limit protects memory from generated messages. */
const messages = new Map<string, string>()
const MESSAGES_AT_MOST = 1000

function messageText (message: string): string {
  const text = clip(redactText(limited(message)), MESSAGE_BYTES)
  if (typeof message === 'string' && message.length <= 200 && messages.size < MESSAGES_AT_MOST) { messages.set(message, text) }
  return text
}

/** Redacting more of a text than is written would be wasted work. */
function limited (message: unknown): string {
  const text = typeof message === 'string' ? message : exceptionText(message)
  return text.length > MESSAGE_BYTES + 1024 ? text.slice(0, MESSAGE_BYTES + 1024) : text
}
