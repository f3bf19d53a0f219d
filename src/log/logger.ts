import { formatLine, LEVELS, NO_CONTEXT, WEIGHT } from './line.ts'
import type { Level, LogContext, LogFields } from './line.ts'

export type { Level, LogContext, LogFields }

/**
 * A logger. A line has the level, the logger_name, the message, the context of the request and the fields.
 */
export interface Logger {
  debug (message: string, fields?: LogFields): void
  info (message: string, fields?: LogFields): void
  warning (message: string, fields?: LogFields): void
  error (message: string, fields?: LogFields): void
  critical (message: string, fields?: LogFields): void
  /** The same context under another logger_name. */
  named (loggerName: string): Logger
  /** Whether DEBUG lines are written: check this before building an expensive message. */
  readonly debugEnabled: boolean
}

/** A logger that can be bound to requests. */
export interface RootLogger extends Logger {
  named(loggerName: string): RootLogger
  /** The same logger for one request: every line has the current values of `context`. Costs one small object. */
  bind(context: LogContext): RootLogger
  /** Writes a line whose level is known only at run time. */
  log(level: Level, message: string, fields?: LogFields): void
  enabled(level: Level): boolean
  /** Lines written so far, by level. */
  readonly lines: Readonly<Record<Level, number>>
}

/** The destination of the lines; each ends with a newline. */
export interface LineWriter {
  write (line: string): void
}

export interface LoggerOptions {
  /** The lowest level that is written. Default INFO. */
  level?: Level
  sink: LineWriter
  /** The logger_name. Default `app.server`. */
  name?: string
}

/** The state that all loggers of one root share. */
interface Core { sink: LineWriter, threshold: number, lines: Record<Level, number> }

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

  #write (level: Level, message: string, fields: LogFields | undefined): void {
    this.#core.lines[level]++
    this.#core.sink.write(formatLine(level, this.#name, message, this.#context, fields))
  }
}

/** The root logger of a process; the others are derived from it with `named` and `bind`. */
export function createLogger ({ level = 'INFO', sink, name = 'app.server' }: LoggerOptions): RootLogger {
  if (!LEVELS.includes(level)) throw new TypeError(`not a log level: ${level}`)
  const core: Core = {
    sink,
    threshold: WEIGHT[level],
    lines: { DEBUG: 0, INFO: 0, WARNING: 0, ERROR: 0, CRITICAL: 0 }
  }
  return new BoundLogger(core, name, NO_CONTEXT)
}
