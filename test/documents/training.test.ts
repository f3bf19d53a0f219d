import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT, textOf } from '../harness/documents.ts'

/** The modules of training science and their comments, as one text each. */
const FOLDER = 'src/domain/training'
const comments = new Map(readdirSync(join(ROOT, FOLDER)).map((name) => {
  const source = readFileSync(join(ROOT, FOLDER, name), 'utf8')
  const lines = source.match(/^\s*\/\/.*$|\/\*\*[^]*?\*\//gm) ?? []
  return [name, plain(lines.join('\n').replace(/^\s*(\/\/|\/?\*+\/?)/gm, ' '))] as const
}))
const page = plain(textOf('docs/TRAINING.md'))

/** The same formula is written in the same signs. */
function plain (text: string): string {
  return text.replaceAll('−', '-').replace(/[²³⁴⁵]/g, '').replace(/\s+/g, ' ')
}

/** `Surname year` of `Surname, X. (year)`, `Surname and Other year`, and the like. */
function sourcesIn (text: string): Set<string> {
  return new Set([...text.matchAll(/\b([A-Z][a-z]+)(?:, [A-Z]\.[^();]{0,80}| et al\.| and [A-Z][a-z]+|, [A-Z][a-z]+ and [A-Z][a-z]+)? \(?((?:19|20)\d\d)\b/g)]
    .map(([, surname, year]) => `${surname} ${year}`))
}

/** The rows of the table of formulas: its name, its module and its source. */
const rows = [...textOf('docs/TRAINING.md').matchAll(/^\| ([^|]+) \| `([\w-]+\.ts)` \| ([^|]+) \|$/gm)]
  .map(([, name, module, source]) => ({ name: name!.trim(), module: module!, source: source!.trim() }))

t.test('each formula of docs/TRAINING.md is named, with its source, by the docstrings of its module', async (t) => {
  t.ok(rows.length >= 15, `${rows.length} formulas`)
  for (const { name, module, source } of rows) {
    const text = comments.get(module)
    t.ok(text !== undefined, `${module} exists`)
    t.ok(text?.toLowerCase().includes(name.toLowerCase()), `${module} names ${name}`)
    if (source === 'a convention of this service') {
      t.match(text, /convention/, `${module} says that ${name} is one`)
      continue
    }
    const sources = [...sourcesIn(source)]
    t.ok(sources.length > 0, `${source} names an author and a year`)
    const cited = sourcesIn(text ?? '')
    for (const each of sources) t.ok(cited.has(each), `${module} cites ${each}`)
  }
})

t.test('each source that a docstring cites is in docs/TRAINING.md', async (t) => {
  const inTable = new Map(rows.map(({ module }) =>
    [module, new Set(rows.filter((row) => row.module === module).flatMap(({ source }) => [...sourcesIn(source)]))]))
  for (const [module, text] of comments) {
    for (const source of sourcesIn(text)) t.ok(inTable.get(module)?.has(source), `${source} of ${module}`)
  }
})

t.test('the constants of each formula are the same in docs/TRAINING.md and in the docstrings', async (t) => {
  const all = [...comments.values()].join(' ')
  const has = (text: string, number: string) => new RegExp(`(?<![\\d.])${number.replaceAll('.', '\\.')}(?!\\d)`).test(text)
  const formulas = [
    ...textOf('docs/TRAINING.md').matchAll(/^ {4}\S.*$/gm), ...textOf('docs/TRAINING.md').matchAll(/`[^`\n]*=[^`\n]*`/g)
  ].map(([formula]) => plain(formula)).filter((formula) => !formula.includes('/api/'))
  const constants = new Set(formulas.flatMap((formula) => formula.match(/\d+\.\d+/g) ?? []))
  t.ok(constants.size >= 15, `${constants.size} constants`)
  for (const constant of constants) t.ok(has(all, constant.replace(/0+$/, '')) || has(all, constant), constant)
  for (const [module, text] of comments) {
    for (const [formula] of text.matchAll(/\b[A-Za-z₂₁]+(?:\([a-zA-Z]\))? = [-\d(][^:;]*?[·ieE^][^:;.]*\.\d{3,}[^:;]*/g)) {
      for (const constant of formula.match(/\d+\.\d{2,}/g) ?? []) t.ok(has(page, constant), `${constant} of ${module}`)
    }
  }
})
