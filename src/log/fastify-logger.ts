import { format } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import type { Level, LogContext, LogFields, RootLogger } from './logger.ts'

type Bindings = Record<string, unknown>

/** The common fields of a request's lines, and the logger_name while it is handled. */
export interface SpeakerContext extends LogContext {
  readonly logger_name?: string | undefined
}

/** pino's level names, which Fastify and its plugins use, and ours. */
const LEVEL_OF: Record<string, Level> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL'
}
const ORDER = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/**
 * Our logger with pino's interface, for the messages of Fastify and its plugins: `(message)`, `(object)`,
 * `(object, message)`, `(error)`, each followed by the values of `%s` and similar placeholders.
 */
export class FastifyLogger {
  /** The lowest level that is written, by pino's name; for this logger and its children only. */
  level: string
  readonly #logger: RootLogger
  readonly #parent: FastifyLogger | undefined
  readonly #bindings: Bindings | undefined
  readonly #context: SpeakerContext | undefined

  constructor (
    logger: RootLogger,
    level: string,
    parent?: FastifyLogger,
    bindings?: Bindings,
    context?: SpeakerContext
  ) {
    this.#logger = logger
    this.level = level
    this.#parent = parent
    this.#bindings = bindings
    this.#context = context
  }

  trace (...args: unknown[]): void {
    this.#log('trace', args)
  }

  debug (...args: unknown[]): void {
    this.#log('debug', args)
  }

  info (...args: unknown[]): void {
    this.#log('info', args)
  }

  warn (...args: unknown[]): void {
    this.#log('warn', args)
  }

  error (...args: unknown[]): void {
    this.#log('error', args)
  }

  fatal (...args: unknown[]): void {
    this.#log('fatal', args)
  }

  silent (): void {}

  /** This logger with these fields on every line. They are read when a line is logged: a child costs one object. */
  child (bindings: Bindings, options?: { level?: string }): FastifyLogger {
    return new FastifyLogger(this.#logger, options?.level ?? this.level, this, bindings, this.#context)
  }

  /** This logger for one request: each line has the current values of the context. */
  bind (context: SpeakerContext): FastifyLogger {
    return new FastifyLogger(this.#logger, this.level, this.#parent, this.#bindings, context)
  }

  #log (word: string, args: unknown[]): void {
    if (ORDER.indexOf(word) < ORDER.indexOf(this.level)) return
    const level = LEVEL_OF[word]!
    if (!this.#logger.enabled(level)) return
    const fields: LogFields = {}
    this.#addBindings(fields)
    const [first, ...others] = args
    let message: unknown
    if (typeof first === 'object' && first !== null) {
      if (first instanceof Error) fields.error = first
      else addFields(fields, first as Bindings)
      message = others.shift() ?? messageIn(first) ?? messageIn(fields.error)
    } else message = first
    this.#speaker().log(level, others.length > 0 ? format(message, ...others) : String(message ?? ''), fields)
  }

  /** Created with the first line, so that a request that logs nothing costs one object. */
  #speaker (): RootLogger {
    const context = this.#context
    if (context === undefined) return this.#logger
    const { logger_name: name } = context
    return (name === undefined ? this.#logger : this.#logger.named(name)).bind(context)
  }

  #addBindings (fields: LogFields): void {
    if (this.#parent !== undefined) this.#parent.#addBindings(fields)
    if (this.#bindings !== undefined) addFields(fields, this.#bindings)
  }
}

/** Writes nothing: for what Fastify would log of an answer that came after its request was answered. */
export const silentLogger: FastifyBaseLogger = {
  level: 'silent',
  trace () {},
  debug () {},
  info () {},
  warn () {},
  error () {},
  fatal () {},
  silent () {},
  child: () => silentLogger
}

/** For `Fastify({ loggerInstance })`: lines under `app.server`, at the level of the logger. */
export function fastifyLogger (logger: RootLogger, name = 'app.server'): FastifyLogger {
  const level = ORDER.find((word) => word !== 'silent' && logger.enabled(LEVEL_OF[word]!)) ?? 'fatal'
  return new FastifyLogger(logger.named(name), level)
}

/**
 * Translates pino's field names to ours. Of a request and a reply only the fields that have a key in a line are read:
 * they also contain headers, bodies and sockets.
 */
function addFields (fields: LogFields, from: Bindings): void {
  for (const [name, value] of entriesOf(from)) {
    switch (name) {
      case 'err': case 'error': if (value !== undefined && value !== null) fields.error = value; break
      case 'req': case 'request': {
        const { method, url } = (value ?? {}) as Bindings
        if (typeof method === 'string') fields.method ??= method
        if (typeof url === 'string') fields.path ??= url.split(/[?#]/, 1)[0]
        break
      }
      case 'res': case 'reply': case 'statusCode': {
        const status = typeof value === 'object' && value !== null ? (value as Bindings).statusCode : value
        if (typeof status === 'number') fields.status_code ??= status
        break
      }
      case 'responseTime': fields.duration_ms = value as number; break
      case 'reqId': fields.request_id = value as string; break
      case 'msg': break
      default: fields[name] = value
    }
  }
}

function entriesOf (object: Bindings): Array<[string, unknown]> {
  try {
    return Object.entries(object)
  } catch {
    return []
  }
}

function messageIn (value: unknown): unknown {
  try {
    const { msg, message } = (value ?? {}) as Bindings
    return msg ?? message
  } catch {
    return undefined
  }
}
