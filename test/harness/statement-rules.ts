import ts from 'typescript'

/** A statement as it is written in a query module; a value is `$[expression]`. */
export interface WrittenStatement {
  name: string
  text: string
}

/** The tables of the service: those whose rows belong to a runner, and those that are looked up by another key. */
export interface Tables {
  runners: ReadonlySet<string>
  lookUps: ReadonlySet<string>
}

/**
 * The statements of a query module. A constant fragment is put in where it is used; of a fragment that depends on a
 * condition, all alternatives are.
 */
export function statementsIn (path: string, source: string): WrittenStatement[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true)
  const constants = new Map<string, ts.TaggedTemplateExpression>()
  const found: WrittenStatement[] = []
  visit(file)
  return found

  function visit (node: ts.Node): void {
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined && isTagged(node.initializer, 'fragment')) {
      constants.set(node.name.getText(), node.initializer)
    }
    if (isTagged(node, 'sql')) {
      const text = textOf(node).replace(/--[^\n]*/g, '').replace(/\s+/g, ' ').trim()
      const name = /^\/\* ?([\w.-]+) ?\*\//.exec(text)?.[1]
      found.push({ name: name ?? `${path}: unnamed`, text: text.replace(/^\/\*.*?\*\/ ?/, '').toLowerCase() })
    }
    ts.forEachChild(node, visit)
  }

  function textOf ({ template }: ts.TaggedTemplateExpression): string {
    if (ts.isNoSubstitutionTemplateLiteral(template)) return template.text
    return template.head.text + template.templateSpans.map(({ expression, literal }) =>
      valueOf(expression) + literal.text
    ).join('')
  }

  function valueOf (expression: ts.Expression): string {
    const constant = constants.get(expression.getText())
    if (constant !== undefined) return textOf(constant)
    const pieces: string[] = []
    const collect = (node: ts.Node): void => {
      if (isTagged(node, 'fragment')) pieces.push(textOf(node))
      else ts.forEachChild(node, collect)
    }
    collect(expression)
    return pieces.length > 0 ? ` ${pieces.join(' ')} ` : `$[${expression.getText().replace(/[^\w.]+/g, '_')}]`
  }
}

function isTagged (node: ts.Node, tag: string): node is ts.TaggedTemplateExpression {
  return ts.isTaggedTemplateExpression(node) && node.tag.getText() === tag
}

/** What a column is compared with decides to which node of a cluster a query goes. */
const OWNED_BY_VALUE = /\buser_id = \$\[/
const OWNERS = /\buser_id (?:= |,)/g
/** A keyword after the name of a table is not its alias. */
const ALIAS = '(?: (?:as )?(?!(?:cross|for|full|group|inner|join|left|limit|natural|on|order|returning|right|set|union|using|where)\\b)[a-z]+)?'
const TABLE = new RegExp(
  `\\b(?:from|join|update|into) (?:only )?(\\$\\[identifier_[^\\]]*\\]|[a-z_]+)${ALIAS}((?:, [a-z_]+${ALIAS})*)`, 'g'
)
const VOLATILE = /\b(?:random|gen_random_uuid|clock_timestamp|timeofday|nextval|set_config|pg_(?:try_)?advisory\w*)\(/
/** What is not immutable: the same arguments may give another result in another session or transaction. */
const MUTABLE = /\b(?:now|age|concat|concat_ws|current_setting|date_part|date_trunc|format|jsonb?_build_\w+|jsonb?_agg|to_char|to_jsonb?)\(|\bcurrent_(?:date|time|timestamp)\b/
const CONDITIONALS = /\bcase\b.*?\bend\b|\bcoalesce\([^()]*(?:\([^()]*\)[^()]*)*\)/g
/** A time zone decides what a day or a month after some moment is. */
const SHIFTED_COLUMN = /(?<!::)\b[a-z_.]+ [+-] interval\b/

/**
 * Why a statement would not do on a cluster what it does on one server, or would ask every node for the rows of one
 * runner; empty where nothing is wrong. The rules are those of Citus, with the tables of runners spread by `user_id`
 * and the look-ups on the coordinator alone.
 */
export function problemsOf ({ text }: WrittenStatement, tables: Tables): string[] {
  const levels = levelsOf(text)
  const named = levels.flatMap((level) => tablesOf(level))
  const problems: string[] = []
  if (text.includes(';')) problems.push('several statements in one text')
  if (/\bskip locked\b|\bnowait\b/.test(text)) problems.push('"skip locked" and "nowait" are refused on several nodes')
  if (/\bas (?:materialized |not materialized )?\( ?insert\b/.test(text)) problems.push('an insert in a "with" is planned apart, if at all')
  if (/^with\b.*\) insert\b/.test(text)) problems.push('an insert takes its rows from a table, not from a "with"')
  const runners = named.filter((name) => isRunners(name, tables))
  if (runners.length === 0) return problems
  if (named.some((name) => tables.lookUps.has(name))) problems.push('a look-up and a runner\'s table in one statement')
  if (VOLATILE.test(text)) problems.push('a volatile function beside a runner\'s table')
  if (/\bdo update\b.*\w\(/.test(text)) problems.push('a function in "on conflict do update"')
  return [
    ...problems,
    ...levels.flatMap((level) => [...problemsOfLevel(level, levels, tables), ...problemsOfChange(level)])
  ]
}

/** Of an insert, an update or a deletion, which one node carries out with values that the coordinator has computed. */
function problemsOfChange (level: string): string[] {
  const text = level.replace(/\bfor (?:no key )?update\b/g, '')
  const [verb] = /\b(?:insert into|update|delete from)\b/.exec(text) ?? []
  if (verb === undefined) return []
  const problems: string[] = []
  const [before = '', returned = ''] = text.split(/\breturning\b/)
  if (MUTABLE.test(returned)) problems.push('a function in "returning" that is not immutable')
  if (verb === 'insert into') {
    // The table has another name on the node, but "returning" still has this one; "on conflict" gives it an alias.
    const isSelected = /\binto [a-z_]+ \(.*\bselect\b/.test(before) && !before.includes(' on conflict ')
    if (isSelected && returned !== '') problems.push('"insert … select … returning" without an alias')
    return problems
  }
  if ((before.match(CONDITIONALS) ?? []).some((one) => MUTABLE.test(one))) {
    problems.push('a function in "case" or "coalesce" that is not immutable')
  }
  if (SHIFTED_COLUMN.test(before)) problems.push('a column is shifted by an interval')
  return problems
}

/** Each (sub)query names its owner, or it is a deletion across runners that says its condition again outside. */
function problemsOfLevel (level: string, levels: string[], tables: Tables): string[] {
  const read = tablesOf(level.replace(/^insert into [a-z_]+/, '')).filter((name) => isRunners(name, tables))
  if (read.length === 0) return []
  const owners = level.match(OWNERS)?.length ?? 0
  if (OWNED_BY_VALUE.test(level) && owners >= read.length) return []
  const condition = /\bwhere (.*?)(?: order by| limit| returning|$)/.exec(level)?.[1] ?? ''
  const inner = levels.find((each) => each.startsWith('select') && /\blimit\b/.test(each) && tablesOf(each)[0] === read[0])
  const swept = inner === undefined ? undefined : /\bwhere (.*?) order by/.exec(inner)?.[1]
  const isSweep = swept !== undefined && levels.some((each) => each.startsWith(`delete from ${read[0]}`))
  if (!isSweep) return [`a query of ${read.join(', ')} does not name its owner`]
  if (/\bfor (?:no key )?(?:update|share)\b/.test(level)) return ['rows of several runners are locked by a query']
  return condition.includes(swept) ? [] : [`the deletion does not say its condition again: ${swept}`]
}

function isRunners (name: string, { runners }: Tables): boolean {
  return runners.has(name) || name.startsWith('$[identifier_')
}

function tablesOf (level: string): string[] {
  return [...level.matchAll(TABLE)].flatMap(([, first, others]) =>
    [first as string, ...(others ?? '').split(',').map((each) => each.trim().split(' ')[0] as string)]
  ).filter((name) => name !== '')
}

/** The queries of a statement, from the outermost on, each without those within it. */
function levelsOf (text: string): string[] {
  const found: string[] = ['']
  const open: Array<{ isQuery: boolean, at: number }> = [{ isQuery: true, at: 0 }]
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string
    if (character === '(') {
      const isQuery = /^\(\s*(?:select|with|insert|update|delete)\b/.test(text.slice(i, i + 12))
      open.push({ isQuery, at: isQuery ? found.push('') - 1 : open.at(-1)?.at ?? 0 })
      if (isQuery) continue
    }
    if (character === ')') {
      const closed = open.pop()
      if (closed?.isQuery === true) continue
      found[closed?.at ?? 0] += character
      continue
    }
    found[open.at(-1)?.at ?? 0] += character
  }
  return found.map((level) => level.trim())
}
