const LEVEL_WIDTH = 8

/**
 * Log lines in a form for people: `2024-01-15 10:30:00.123 INFO app.request request completed GET /x 200 3 ms
 * request_id=…`, with an exception below.
 */
export function readableText (lines: string): string {
  return lines.split('\n').map((line) => line === '' ? '' : readableLine(line)).join('\n')
}

function readableLine (line: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(line)
  } catch {
    return line
  }
  const {
    timestamp,
    level,
    logger_name: loggerName,
    message,
    method,
    path,
    status_code: statusCode,
    duration_ms: durationMs,
    exception,
    extra,
    ...rest
  } = record
  const words = [
    String(timestamp).replace('T', ' ').replace('Z', ''),
    String(level).padEnd(LEVEL_WIDTH),
    loggerName,
    message,
    method,
    path,
    statusCode,
    durationMs === undefined ? undefined : `${durationMs} ms`,
    ...pairs(rest),
    ...pairs((extra ?? {}) as Record<string, unknown>)
  ]
  // A record stays on one line, and no control character reaches the terminal.
  const text = words.filter((word) => word !== undefined).map((word) => withoutControls(String(word))).join(' ')
  return exception === undefined
    ? text
    : `${text}\n${String(exception)
        .split('\n')
        .map((part) => `    ${withoutControls(part)}`)
        .join('\n')}`
}

function withoutControls (text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[\u007f-\u009f]$/, '?')
  )
}

function pairs (record: Record<string, unknown>): string[] {
  return Object.entries(record).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`
  )
}
