import { parseArgs } from 'node:util'
import { logDirectory } from '../config/read.ts'
import { EXIT, UsageError, printable } from './command.ts'
import type { Command } from './command.ts'
import type { LogLine } from './log-search.ts'
import { findStory } from './story.ts'
import type { Explanation, Search, Story } from './story.ts'

/** The command `explain`, with what the catalogue says of each `error_code`. */
export function explainWith (catalogue: Partial<Record<string, Explanation>> = {}): Command {
  return {
    usage: 'ERROR_ID [--json]',
    summary: "An error's whole story, from the logs: what was asked, what happened, what it means and what to do.",
    async run (args, print) {
      const { values, positionals } = parseArgs({
        args,
        options: { json: { type: 'boolean' } },
        allowPositionals: true
      })
      const [given = '', ...more] = positionals
      const id = given.toLowerCase()
      if (more.length > 0 || !/^[0-9a-f-]{8,36}$/.test(id)) {
        throw new UsageError('ERROR_ID is the error_id of an answer, or at least its first 8 characters.')
      }
      const dir = logDirectory()
      let search: Search
      try {
        search = await findStory(dir, id, catalogue)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined
        if (code === undefined) throw error
        print(
          printable(
            `The logs cannot be read (${String(code)}): ${dir}\nSet LOG_DIR to where the service writes them, or run this as a user who may read them.`
          )
        )
        return EXIT.failed
      }
      if ('story' in search) {
        print(values.json ? JSON.stringify(search.story, null, 2) : printable(write(search.story)))
        return EXIT.ok
      }
      print(
        values.json
          ? JSON.stringify({ error_id: id, candidates: search.candidates }, null, 2)
          : notFound(id, dir, search.candidates)
      )
      return EXIT.failed
    }
  }
}

function notFound (id: string, dir: string, candidates: string[]): string {
  if (candidates.length > 0) {
    return printable(
      ['Several errors begin so; give more of the id:', ...candidates.map((candidate) => `  ${candidate}`)].join('\n')
    )
  }
  return printable([
    `No error ${id} in the logs under ${dir}.`,
    '  - The logs may have been rotated away since: eleven files are kept.',
    '  - Another instance may have answered: look where its logs are, or in the log aggregator.',
    '  - LOG_DIR may be another folder here than for the service.'
  ].join('\n'))
}

function write (story: Story): string {
  const facts: Array<[string, string | undefined]> = [
    ['when', story.timestamp],
    ['asked', story.method && `${story.method} ${story.path ?? ''}`],
    ['answered', story.status_code === undefined ? undefined : String(story.status_code)],
    ['took', story.duration_ms === undefined ? undefined : `${story.duration_ms} ms`],
    ['request_id', story.request_id],
    ['user_id', story.user_id]
  ]
  const parts = [
    `Error ${story.error_id}: ${story.error_code ?? 'without a code'}`,
    facts.filter(([, value]) => value).map(([name, value]) => `  ${name.padEnd(10)}  ${value}`).join('\n')
  ]
  if (story.explanation) {
    parts.push(
      `What ${story.error_code} means (${story.explanation.status})\n  cause       ${story.explanation.cause}\n  remedy      ${story.explanation.remedy}`
    )
  }
  if (story.exception) parts.push(`The exception\n${indent(story.exception)}`)
  if (story.slow_queries.length > 0) {
    parts.push(
      `Slow queries\n${story.slow_queries.map((line) => `  ${line.duration_ms} ms  ${String(line.extra?.['query'] ?? line.message)}`).join('\n')}`
    )
  }
  const start = Date.parse(story.lines[0]?.timestamp ?? '')
  const count = `${story.lines.length === 1 ? 'The one line' : `All ${story.lines.length} lines`} of ${story.request_id ? 'the request' : 'the error'}`
  parts.push(
    `${story.truncated ? `The first ${story.lines.length} lines of the request` : count}\n${story.lines.map((line) => writeLine(line, start)).join('\n')}`
  )
  return parts.join('\n\n')
}

/** `10:30:00.123    +12 ms  WARNING   app.db  slow query  {"query":"findPlan"}`, the exception apart. */
function writeLine (
  {
    timestamp = '',
    level = '',
    logger_name: name = '',
    message = '',
    status_code: status,
    duration_ms: took,
    error_code: code,
    extra
  }: LogLine,
  start: number
): string {
  const since = Date.parse(timestamp) - start
  return [
    `  ${timestamp.slice(11, 23)}`,
    Number.isNaN(since) ? '' : `+${since} ms`.padStart(10),
    level.padEnd(8),
    name,
    message,
    [status, took === undefined ? undefined : `${took} ms`, code].filter((value) => value !== undefined).join(', '),
    extra === undefined ? '' : JSON.stringify(extra)
  ]
    .filter((part) => part !== '')
    .join('  ')
}

function indent (text: string): string {
  return text.split('\n').map((line) => `  ${line}`).join('\n')
}
