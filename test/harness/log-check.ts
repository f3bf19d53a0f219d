import { Ajv } from 'ajv'
import { LogLine } from '../../schemas/log-line.ts'

const isLine = new Ajv({ strict: false }).compile(LogLine)

/** What is wrong with lines of the log, by their schema and by what must never be in one; nothing where all is well. */
export function problemsIn (lines: readonly object[]): string[] {
  return lines.flatMap((line) => {
    const text = JSON.stringify(line)
    if (!isLine(line)) return [`${JSON.stringify(isLine.errors)} in ${text}`]
    return /eyJ[\w-]+\.eyJ|\brtr?_[\w-]{40}|correct horse|Bearer [\w-]{10}/.test(text) ? [`a secret in ${text}`] : []
  })
}
