import { Ajv } from 'ajv'
import { LogLine } from '../../schemas/log-line.ts'

const isLine = new Ajv({ strict: false }).compile(LogLine)

/** The problems of log lines: violations of the schema, and secrets; empty if there are none. */
export function problemsIn (lines: readonly object[]): string[] {
  return lines.flatMap((line) => {
    const text = JSON.stringify(line)
    if (!isLine(line)) return [`${JSON.stringify(isLine.errors)} in ${text}`]
    return /eyJ[\w-]+\.eyJ|\brt[cr]?_[\w-]{40}|correct horse|Bearer [\w-]{10}/.test(text) ? [`a secret in ${text}`] : []
  })
}
