import { randomBytes } from 'node:crypto'
import type { Trace } from './exchange.ts'

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/

/**
 * The trace a `traceparent` header names and a new span in it; undefined where it is not valid (W3C Trace Context,
 * level 1).
 */
export function traceOf (header: string | string[] | undefined): Trace | undefined {
  if (typeof header !== 'string') return undefined
  const match = TRACEPARENT.exec(header)
  if (match === null) return undefined
  const [, version, traceId, parentId, rest] = match
  const valid =
    version !== 'ff' &&
    (version !== '00' || rest === undefined) &&
    !/^0+$/.test(traceId as string) &&
    !/^0+$/.test(parentId as string)
  return valid ? { trace_id: traceId as string, span_id: randomBytes(8).toString('hex') } : undefined
}
