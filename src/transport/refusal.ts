import { STATUS_CODES } from 'node:http'
import { AppError } from '../errors.ts'
import { exceptionText } from '../log/exception.ts'
import { quote } from '../log/text.ts'
import { timestamp } from '../log/timestamp.ts'
import type { ErrorEnvelope } from '../../schemas/error.ts'
import { randomId } from '../ids.ts'
import type { Failure } from '../http/exchange.ts'
import { errorAnswer } from '../http/error-response.ts'
import { verdictOf } from '../http/verdict.ts'

/**
 * An answer that is the same each time, but for its ids and its time: all else is made once. The stack of an error that
 * is made for each request costs more than its answer, and says nothing.
 */
export class Refusal {
  readonly error: AppError
  readonly status: number
  /** All but those that every answer has. */
  readonly headers: Readonly<Record<string, string>>
  readonly #exception: string
  readonly #beforeTime: string
  readonly #afterTime: string
  readonly #heads = new WeakMap<object, string>()

  constructor (message: string) {
    this.error = new AppError('SERVICE_UNAVAILABLE', message)
    this.error.stack = `${this.error.name}: ${message}`
    const { status, headers, body } = errorAnswer(verdictOf(this.error), this.error)
    const { error_id: id, timestamp: time } = JSON.parse(body) as ErrorEnvelope
    const [beforeTime, afterTime] = body.slice(`{"error_id":"${id}"`.length).split(time) as [string, string]
    this.status = status
    // Both ids and both times are as long as those of the first.
    this.headers = { ...headers, 'content-length': String(body.length) }
    this.#exception = quote(exceptionText(this.error))
    this.#beforeTime = beforeTime
    this.#afterTime = afterTime
  }

  /** Why a request failed that is answered so, with an id of its own. */
  failure (): Failure {
    return { error_id: randomId(), error_code: this.error.code, cause: this.error, exception: this.#exception }
  }

  body ({ error_id: errorId }: Failure): string {
    return `{"error_id":"${errorId}"${this.#beforeTime}${timestamp()}${this.#afterTime}`
  }

  /**
   * The whole answer as it goes over a connection that stays open for `keepAliveMs`. `common`: headers that every
   * answer has.
   */
  answer (failure: Failure, requestId: string, common: Readonly<Record<string, string>>, keepAliveMs: number): string {
    let head = this.#heads.get(common)
    if (head === undefined) {
      const headers = {
        ...common,
        ...this.headers,
        connection: 'keep-alive',
        'keep-alive': `timeout=${Math.floor(keepAliveMs / 1000)}`
      }
      head = `HTTP/1.1 ${this.status} ${STATUS_CODES[this.status]}\r\n${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}x-request-id: `
      this.#heads.set(common, head)
    }
    return `${head}${requestId}\r\ndate: ${httpDate()}\r\n\r\n${this.body(failure)}`
  }
}

let dateSecond = Number.NaN
let dateText = ''

/** Now, as the `Date` header has it: made once a second. */
function httpDate (): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}
