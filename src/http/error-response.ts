import { randomUUID } from 'node:crypto'
import { statusOf } from '../error-catalogue.ts'
import type { ErrorCode } from '../errors.ts'
import type { ErrorEnvelope } from '../../schemas/error.ts'
import type { Failure } from './exchange.ts'

/** What a client gets to know of an error, before that has an id and a time. */
export interface Verdict {
  code: ErrorCode
  /** Where it is not the one of the code: REQUEST_TIMEOUT is a 503 when it was the answer that took too long. */
  status?: number
  message: string
  details?: Record<string, unknown> | undefined
  headers?: Record<string, string> | undefined
}

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
  failure: Failure
}

/** Makes of a verdict the answer that goes out and the failure that goes to log and metrics, under one new id. */
export function errorAnswer (verdict: Verdict, cause: unknown): ErrorAnswer {
  const envelope: ErrorEnvelope = {
    error_id: randomUUID(),
    error_code: verdict.code,
    message: verdict.message,
    timestamp: new Date().toISOString(),
    ...(verdict.details === undefined ? {} : { details: verdict.details })
  }
  return {
    status: verdict.status ?? statusOf(verdict.code),
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...verdict.headers },
    body: JSON.stringify(envelope),
    failure: { error_id: envelope.error_id, error_code: verdict.code, cause }
  }
}
