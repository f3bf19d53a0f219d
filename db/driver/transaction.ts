import { bind } from './bind.ts'
import type { Connection } from './connection.ts'
import type { CancelReason, Executor, Rows, Sql, TransactionOptions } from './contract.ts'
import { DatabaseError } from './errors.ts'
import { Statement } from './statement.ts'
import type { Owner, StatementHost } from './statement.ts'
import { statementText } from './statement-text.ts'
import { templateOf } from './template.ts'
import { prepareValues } from './values.ts'

/** What a transaction needs of the session it belongs to. */
export interface TransactionHost extends StatementHost {
  readonly cancelled: CancelReason | null
  refusal (): DatabaseError
}

/**
 * How it ended. `cause` is what the database said, whatever the work has made of that; `begun` says whether the work
 * was started.
 */
export type Outcome<T> = { value: T } | { error: unknown, cause: unknown, begun: boolean }

/** The order in which the statements of one transaction run: one after the other. */
interface Turns { last: Promise<unknown>, savepoints: number }

/** Begins, works, commits, all on this connection; whatever fails, rolls back. Never throws. */
export function runTransaction<T> (
  host: TransactionHost,
  connection: Connection,
  work: (sql: Sql) => Promise<T>,
  options: TransactionOptions
): Promise<Outcome<T>> {
  const isolation = options.isolation === undefined ? '' : ` isolation level ${options.isolation}`
  const modes = `${isolation}${options.readOnly === true ? ' read only' : ''}`
  const scope = new Scope(host, connection, null, { last: Promise.resolve(), savepoints: 0 })
  return scope.perform(connection.beginText(modes), 'commit', 'rollback', work)
}

/**
 * A transaction, or a savepoint in one. After the first statement that failed it takes no more and cannot commit, even
 * where the error was caught: half of what was meant is never kept.
 */
class Scope implements Executor, Owner {
  #host: TransactionHost
  #connection: Connection
  #parent: Scope | null
  #turns: Turns
  #sql = bind(this)
  #failure: Error | undefined
  #ended = false
  #nested = false

  constructor (host: TransactionHost, connection: Connection, parent: Scope | null, turns: Turns) {
    this.#host = host
    this.#connection = connection
    this.#parent = parent
    this.#turns = turns
  }

  async perform<T>(
    begin: string,
    commit: string,
    rollback: string,
    work: (sql: Sql) => Promise<T>
  ): Promise<Outcome<T>> {
    try {
      await this.#say(begin)
    } catch (error) {
      this.#ended = true
      this.#abandon(error as Error)
      return { error, cause: error, begun: false }
    }
    let value: T
    try {
      value = await work(this.#sql)
      // Statements that were not awaited belong to it as well.
      await this.#turns.last
      const refusal = this.#refusal('commit')
      if (refusal !== undefined) throw refusal
    } catch (error) {
      this.#ended = true
      await this.#say(rollback).catch((undone) => this.#abandon(undone))
      return { error, cause: this.#failure ?? error, begun: true }
    }
    this.#ended = true
    try {
      const { command } = await this.#say(commit)
      // The server answers the commit of a failed transaction with this, and without an error.
      if (command === 'ROLLBACK') throw new Error('The server has rolled the transaction back')
      return { value }
    } catch (error) {
      // What the server refuses to commit (a deferred constraint, a conflict) it has rolled back already.
      if (this.#parent !== null || isUnclear(error)) this.#abandon(error as Error)
      return { error, cause: error, begun: true }
    }
  }

  run (strings: TemplateStringsArray, values: unknown[]): Promise<Rows> {
    const template = templateOf(strings)
    const { name } = template
    return this.#inTurn((resolve, reject) => {
      const refusal = this.#refusal(name)
      if (refusal !== undefined) return reject(refusal)
      prepareValues(values, name)
      const statement = statementText(strings, values)
      this.#connection.execute(
        new Statement({ host: this.#host, template, name, statement, owner: this, resolve, reject })
      )
    })
  }

  /** A savepoint. Conflicts with other transactions are not its to retry: the whole is run again. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const refusal = this.#refusal('savepoint')
    if (refusal !== undefined) throw refusal
    const name = `s${this.#turns.savepoints++}`
    const scope = new Scope(this.#host, this.#connection, this, this.#turns)
    this.#nested = true
    const outcome = await scope.perform(
      `savepoint ${name}`,
      `release savepoint ${name}`,
      `rollback to savepoint ${name}`,
      work
    )
    this.#nested = false
    if ('value' in outcome) return outcome.value
    throw outcome.error
  }

  failed (error: Error): void {
    this.#failure ??= error
  }

  /** Why it takes no further statement, where it does not. */
  #refusal (name: string): Error | undefined {
    if (this.#ended) {
      return new DatabaseError('transaction_ended', `Statement ${name} came after the end of its transaction`)
    }
    if (this.#nested) {
      return new DatabaseError(
        'transaction_ended',
        `Statement ${name} was given to the outer transaction while a nested one is open`
      )
    }
    if (this.#failure !== undefined) return this.#failure
    if (this.#host.cancelled !== null) return this.#host.refusal()
    if (this.#connection.closed) {
      return new DatabaseError(
        'unreachable',
        `The connection was lost in the middle of the transaction, before ${name}; nothing of it is kept`,
        this.#connection.lost
      )
    }
    return undefined
  }

  /** What has to be said whatever happened: it is not refused. */
  #say (text: string): Promise<Rows> {
    const name = /^\w+/.exec(text)?.[0] ?? text
    const statement = { text, parameters: [], readsOnly: false }
    return this.#inTurn((resolve, reject) => {
      this.#connection.execute(
        new Statement({ host: this.#host, template: undefined, name, statement, owner: this, resolve, reject })
      )
    })
  }

  #inTurn (start: (resolve: (rows: Rows) => void, reject: (error: Error) => void) => void): Promise<Rows> {
    const result = this.#turns.last.then(() => new Promise<Rows>(start))
    this.#turns.last = result.then(nothing, nothing)
    return result
  }

  /**
   * It is not known how the transaction stands: its connection is closed, and the server rolls back; of a savepoint,
   * the outer transaction fails.
   */
  #abandon (error: Error): void {
    if (this.#parent === null) this.#connection.destroy(error)
    else this.#parent.failed(error)
  }
}

/** Whether it is not known how the transaction stands. It is over where it only was not replicated. */
function isUnclear (error: unknown): boolean {
  return error instanceof DatabaseError && error.kind !== 'outcome_unknown'
}

function nothing (): void {}
