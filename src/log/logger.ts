import { CompletionFormat, formatLine, LEVELS, NO_CONTEXT, WEIGHT } from './line.ts'
import type { Level, LogContext, LogFields } from './line.ts'

export type { Level, LogContext, LogFields }

/**
 * What speaks. A line has the level, the part of the service that speaks, the message, the request's context and the
 * fields.
 */
export interface Logger {
  debug (message: string, fields?: LogFields): void
  info (message: string, fields?: LogFields): void
  warning (message: string, fields?: LogFields): void
  error (message: string, fields?: LogFields): void
  critical (message: string, fields?: LogFields): void
  /** The same context under another logger_name. */
  named (loggerName: string): Logger
  /** Whether a debug line would be written: worth asking before something costly is put together for one. */
  readonly debugEnabled: boolean
}

/** A logger that can be bound to requests and writes the line of a completed one. */
export interface RootLogger extends Logger {
  named(loggerName: string): RootLogger
  /** The same logger for one request: every line has what `context` says at that moment. Costs one small object. */
  bind(context: LogContext): RootLogger
  /** A line of a level known only at run time. */
  log(level: Level, message: string, fields?: LogFields): void
  enabled(level: Level): boolean
  /** Lines written so far, by level. */
  readonly lines: Readonly<Record<Level, number>>
  /**
   * The one line of a completed request, under `app.request`. Without `fields` but `error_id` and `error_code`, the
   * cheap way. `context` has ids and a method that are safe words (checked against `^[A-Za-z0-9._:-]{1,128}$`, or made
   * by us). `exception` is that of `fields.error`, as JSON, where it was written before: then with it the cheap way,
   * too.
   */
  completed(
    level: Level,
    context: LogContext,
    statusCode: number,
    durationMs: number,
    errorId?: string,
    errorCode?: string,
    fields?: LogFields,
    exception?: string
  ): void
}

/** Where lines go: each ends with a newline. */
export interface LineWriter {
  write (line: string): void
}

export interface LoggerOptions {
  /** What is below is not written. Default INFO. */
  level?: Level
  sink: LineWriter
  /** The part that speaks. Default `app.server`. */
  name?: string
}

export const COMPLETION_LOGGER = 'app.request'
export const COMPLETION_MESSAGE = 'request completed'

/** What all loggers of one root share. */
interface Core { sink: LineWriter, threshold: number, completion: CompletionFormat, lines: Record<Level, number> }

class BoundLogger implements RootLogger {
  readonly #core: Core
  readonly #name: string
  readonly #context: LogContext

  constructor (core: Core, name: string, context: LogContext) {
    this.#core = core
    this.#name = name
    this.#context = context
  }

  debug (message: string, fields?: LogFields): void {
    if (this.#core.threshold <= 10) this.#write('DEBUG', message, fields)
  }

  info (message: string, fields?: LogFields): void {
    if (this.#core.threshold <= 20) this.#write('INFO', message, fields)
  }

  warning (message: string, fields?: LogFields): void {
    if (this.#core.threshold <= 30) this.#write('WARNING', message, fields)
  }

  error (message: string, fields?: LogFields): void {
    if (this.#core.threshold <= 40) this.#write('ERROR', message, fields)
  }

  critical (message: string, fields?: LogFields): void {
    this.#write('CRITICAL', message, fields)
  }

  log (level: Level, message: string, fields?: LogFields): void {
    if (this.enabled(level)) this.#write(level, message, fields)
  }

  enabled (level: Level): boolean {
    return this.#core.threshold <= WEIGHT[level]
  }

  get lines (): Readonly<Record<Level, number>> {
    return this.#core.lines
  }

  get debugEnabled (): boolean {
    return this.#core.threshold <= 10
  }

  named (loggerName: string): RootLogger {
    return new BoundLogger(this.#core, loggerName, this.#context)
  }

  bind (context: LogContext): RootLogger {
    return new BoundLogger(this.#core, this.#name, context)
  }

  completed (
    level: Level,
    context: LogContext,
    statusCode: number,
    durationMs: number,
    errorId?: string,
    errorCode?: string,
    fields?: LogFields,
    exception?: string
  ): void {
    const { sink, completion } = this.#core
    if (!this.enabled(level)) return
    this.#core.lines[level]++
    if (
      (fields === undefined || exception !== undefined) &&
      context.extra === undefined &&
      (errorCode !== undefined || WEIGHT[level] < WEIGHT.ERROR)
    ) {
      sink.write(completion.line(level, context, statusCode, durationMs, errorId, errorCode, exception))
    } else {
      sink.write(
        formatLine(level, COMPLETION_LOGGER, COMPLETION_MESSAGE, context, {
          ...fields,
          status_code: statusCode,
          duration_ms: durationMs,
          ...(errorId !== undefined && { error_id: errorId }),
          ...(errorCode !== undefined && { error_code: errorCode })
        })
      )
    }
  }

  #write (level: Level, message: string, fields: LogFields | undefined): void {
    this.#core.lines[level]++
    this.#core.sink.write(formatLine(level, this.#name, message, this.#context, fields))
  }
}

/** The logger of a process; what else speaks in it is made from this by `named` and `bind`. */
export function createLogger ({ level = 'INFO', sink, name = 'app.server' }: LoggerOptions): RootLogger {
  if (!LEVELS.includes(level)) throw new TypeError(`not a log level: ${level}`)
  const core: Core = {
    sink,
    threshold: WEIGHT[level],
    completion: new CompletionFormat(COMPLETION_LOGGER, COMPLETION_MESSAGE),
    lines: { DEBUG: 0, INFO: 0, WARNING: 0, ERROR: 0, CRITICAL: 0 }
  }
  return new BoundLogger(core, name, NO_CONTEXT)
}
