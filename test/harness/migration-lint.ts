import { MadeTables } from '../../db/spread.ts'

/** One statement of a migration. */
interface Statement {
  /** Its text without comments and contents of strings, in lower case and with single spaces. */
  text: string
  /** Its original text. */
  source: string
  /** The comments directly before it or within it. */
  comments: string
  line: number
}

/**
 * A volatile default cannot be stored as one value for all existing rows: the table is rewritten.
 */
const VOLATILE =
  /\b(?:random|gen_random_uuid|uuidv7|uuidv4|uuid_generate_v\w+|clock_timestamp|timeofday|nextval|txid_current|pg_current_xact_id)\s*\(/

const CONTRACT = /^--\s*contract:\s*\S/m

/**
 * The reasons why a migration must not run while the previous version serves: locks held while a whole table is read or
 * written, and the removal of parts that the previous version still uses. Empty if there are none.
 *
 * A table created in the same file is not in use and may be changed freely. The removal of a part that the previous
 * release no longer used has a note directly before it, `-- contract: not read since 1.4`. A file whose first line is
 * `-- no transaction` runs outside a transaction, as an index created concurrently must. The runner sets
 * `lock_timeout`; a migration must not reset it.
 */
export function lint (sqlText: string): string[] {
  const outside = /^-- no transaction\b/.test(sqlText)
  const made = new Set<string>()
  const plainYet = new MadeTables()
  const proven = new Set<string>()
  const found: string[] = []
  for (const statement of statements(sqlText)) {
    const problem = (text: string) => { found.push(`line ${statement.line}: ${text}`) }
    const { text } = statement
    const created = /^create (?:unlogged )?table (?:if not exists )?(\S+)/.exec(text)
    if (created) made.add(plain(created[1]!))
    if (takesTimeoutAway(statement)) problem('takes back the lock_timeout that the runner sets')
    const validated = /^alter table (?:if exists )?(?:only )?(\S+) validate constraint/.exec(text)
    if (validated) proven.add(plain(validated[1]!))
    indexes(statement, outside, made, problem)
    alterations(statement, made, proven, problem)
    plainYet.isBefore(text)
    spreading(statement, plainYet, problem)
    if (/^(?:vacuum full|cluster)\b/.test(text)) problem('writes the table anew under an exclusive lock')
    const dropped = /^drop (table|view|materialized view|function|type|schema|sequence) (?:if exists )?([^ (]+)/.exec(
      text
    )
    if (dropped && !made.has(plain(dropped[2]!)) && !CONTRACT.test(statement.comments)) { problem(`drops the ${dropped[1]} ${plain(dropped[2]!)} without a "-- contract:" note`) }
  }
  return found
}

type Report = (text: string) => void

/** Tables that are not spread over a cluster: they are on its coordinator alone. */
export const LOOK_UPS = [
  'emails', 'identities', 'pgboss_archive', 'pgboss_job', 'pgboss_queue', 'pgboss_version', 'recomputations', 'reprocessing',
  'revocations', 'schema_migrations'
]

/**
 * What Citus refuses of a table that is spread. A table is still plain while the statements after the one that made it
 * are about it alone.
 */
function spreading ({ text }: Statement, plainYet: MadeTables, problem: Report): void {
  if (/^create (?:or replace )?(?:constraint )?trigger\b/.test(text)) problem('makes a trigger, which no spread table may have')
  if (/\bon (?:delete|update) set (?:null|default)\b/.test(text)) {
    problem('clears columns by a foreign key, which no spread table may have: clear them in the statement that deletes')
  }
  const lookUp = /\breferences (?:public\.)?"?(\w+)/.exec(text)?.[1]
  if (lookUp !== undefined && LOOK_UPS.includes(lookUp)) problem(`refers to ${lookUp}, which is on the coordinator alone`)
  const altered = /^alter table (?:if exists )?(?:only )?(\S+) (.*)$/.exec(text)
  if (!altered || LOOK_UPS.includes(plain(altered[1]!)) || plainYet.isPlain(altered[1]!)) return
  const [table, actions] = [plain(altered[1]!), split(altered[2]!)]
  if (actions.length > 1 && actions.some((action) => /^add (?:constraint|check|foreign key|unique|primary key|exclude)\b/.test(action))) {
    problem(`adds a constraint to ${table} beside something else, which a spread table refuses: a statement for each`)
  }
  if (actions.some((action) => /^alter (?:column )?\S+ set storage\b/.test(action))) {
    problem(`sets the storage of a column of ${table}, which a spread table refuses: do it right after the table is made`)
  }
  if (actions.some((action) => /^add (?:column )?(?!constraint|check|foreign|unique|primary|exclude).*\b(?:check \(|references\b)/.test(action))) {
    problem(`adds a column to ${table} with a constraint, which a spread table refuses: add the constraint by its name after it`)
  }
}

function indexes ({ text }: Statement, outside: boolean, made: Set<string>, problem: Report): void {
  const index =
    /^create (?:unique )?index (concurrently )?(?:if not exists )?(?:(?!on )\S+ )?on (?:only )?([^ (]+)/.exec(text)
  if (index) {
    const [, concurrently, table] = index
    if (concurrently && !outside) { problem('an index is made concurrently only outside of a transaction: begin the file with "-- no transaction"') }
    if (!concurrently && !made.has(plain(table!))) { problem(`an index on ${plain(table!)} keeps writers out while it is made: make it concurrently`) }
  }
  const dropped = /^(?:drop index|reindex (?:index|table)) (concurrently )?/.exec(text)
  if (dropped?.[1] && !outside) { problem('concurrently works only outside of a transaction: begin the file with "-- no transaction"') }
  if (dropped && !dropped[1]) problem('keeps everybody out of the table: do it concurrently')
}

function alterations (statement: Statement, made: Set<string>, proven: Set<string>, problem: Report): void {
  const altered = /^alter table (?:if exists )?(?:only )?(\S+) (.*)$/.exec(statement.text)
  if (!altered) return
  const table = plain(altered[1]!)
  if (made.has(table)) return
  const noted = CONTRACT.test(statement.comments)
  for (const action of split(altered[2]!)) {
    if (/^rename\b/.test(action) && !noted && !/^rename constraint\b/.test(action)) {
      problem(
        `renames in ${table} what the version before still reads: add, copy, and drop a release later, or say "-- contract:"`
      )
    } else if (/^drop (?:column |(?!constraint|not null|default|identity|expression))/.test(action) && !noted) { problem(`drops a column of ${table} without a "-- contract:" note`) } else if (/^alter (?:column )?\S+ (?:set data )?type\b/.test(action)) { problem(`changes the type of a column of ${table}, which writes the table anew under an exclusive lock`) } else if (/^alter (?:column )?\S+ set not null\b/.test(action) && !proven.has(table)) { problem(`reads all of ${table} under an exclusive lock: add a check constraint "not valid" and validate it first`) } else if (/^alter (?:column )?\S+ add generated\b/.test(action)) { problem(`numbers every row of ${table} under an exclusive lock`) } else if (/^set (?:logged|unlogged|tablespace|access method)\b/.test(action)) { problem(`writes ${table} anew under an exclusive lock`) } else if (/^add (?:constraint \S+ )?(?:check|foreign key)\b/.test(action) && !/\bnot valid\b/.test(action)) {
      problem(
        `checks all of ${table} under a lock: add the constraint "not valid", and validate it in a later statement`
      )
    } else if (
      /^add (?:constraint \S+ )?(?:unique|primary key|exclude)\b/.test(action) &&
      !/\busing index\b/.test(action)
    ) {
      problem(
        `makes an index of ${table} under an exclusive lock: make it concurrently and add the constraint "using index"`
      )
    } else if (
      /^add (?:column )?/.test(action) &&
      !/^add (?:constraint|check|foreign|unique|primary|exclude)\b/.test(action)
    ) { added(action, table, problem) }
  }
}

/** The problems of a new column for the existing rows. */
function added (action: string, table: string, problem: Report): void {
  const hasDefault = /\bdefault\b/.test(action)
  if (/\bnot null\b/.test(action) && !hasDefault && !/\bgenerated\b/.test(action)) { problem(`adds a column to ${table} that must not be null and has no default`) }
  if (hasDefault && VOLATILE.test(action)) { problem(`adds a column to ${table} with a default of its own for each row, which writes the table anew`) }
  if (/\bgenerated\b/.test(action) && !/\bvirtual\b/.test(action)) { problem(`adds a column to ${table} that is worked out for each row, which writes the table anew`) }
  if (/^add (?:column )?(?:if not exists )?\S+ (?:small|big)?serial\b/.test(action)) { problem(`adds a column to ${table} that numbers each row, which writes the table anew`) }
  if (/\b(?:unique|primary key)\b/.test(action)) { problem(`makes an index of ${table} under an exclusive lock: make it concurrently`) }
}

/** `lock_timeout = 0` is unlimited, and so is the default of the server. */
function takesTimeoutAway ({ text, source }: Statement): boolean {
  const written = source.toLowerCase().replace(/\s+/g, ' ').trim()
  if (/\bset_config\(/.test(text)) return /\bset_config\( ?'lock_timeout' ?, ?'0(?:\s*\w+)?'/.test(written)
  return /^reset (?:lock_timeout|all)$/.test(text) ||
    /^set (?:local |session )?lock_timeout ?(?:=|to) ?(?:default|'?0(?:\s*\w+)?'?)$/.test(written)
}

/** A name without quotes and without `public.`. */
function plain (name: string): string {
  return name.replace(/"/g, '').replace(/^public\./, '').replace(/\($/, '')
}

/** The actions of an `alter table`, split at its outermost commas. */
function split (actions: string): string[] {
  const parts = ['']
  let depth = 0
  for (const character of actions) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
  }
  return parts.map((part) => part.trim())
}

/** Comments, strings, quoted names, dollar-quoted bodies, ends of statements, and the text between them. */
const TOKEN =
  /--[^\n]*|\/\*[^]*?\*\/|[eE]'(?:[^'\\]|''|\\[^])*'|'(?:[^']|'')*'|"[^"]*"|(\$\w*\$)[^]*?\1|;|[^-/'"$;eE]+|[^]/g

function statements (sqlText: string): Statement[] {
  const found: Statement[] = []
  let text = ''
  let source = ''
  let comments = ''
  let line = 1
  let start = 0
  const end = () => {
    if (text.trim()) found.push({ text: text.replace(/\s+/g, ' ').trim().toLowerCase(), source, comments, line: start })
    text = source = comments = ''
    start = 0
  }
  for (const [token] of sqlText.matchAll(TOKEN)) {
    if (token === ';') end()
    else if (token.startsWith('--') || token.startsWith('/*')) {
      comments += `${token}\n`
      text += ' '
    } else {
      if (token.trim() && !start) start = line + (/^\s*/.exec(token)![0].match(/\n/g)?.length ?? 0)
      source += token
      text += /^[eE]?'/.test(token) ? "''" : /^\$\w*\$./.test(token) ? '$$' : token
    }
    line += token.match(/\n/g)?.length ?? 0
  }
  end()
  return found
}
