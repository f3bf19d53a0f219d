import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { IMPORT_REASONS } from '../../src/domain/import-reasons.ts'
import { WARNING_CODES } from '../../src/domain/warnings.ts'
import { ROOT } from '../harness/documents.ts'

const document = readFileSync(join(ROOT, 'docs/IMPORTS.md'), 'utf8')

t.test('docs/IMPORTS.md lists the codes of warnings as the code does', async (t) => {
  const rows = document.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|$/gm)
  t.same(Object.fromEntries(Array.from(rows, ([, code, meaning]) => [code, meaning])), WARNING_CODES)
})

t.test('docs/IMPORTS.md lists the reasons of files that are not imported as the code does', async (t) => {
  const rows = document.matchAll(/^\| `([A-Z_]+)` \| (duplicate|skipped|failed) \| ([^|]+) \|$/gm)
  const listed = Array.from(rows, ([, code, status, reason]) => [code, { status, reason }])
  t.same(Object.fromEntries(listed), IMPORT_REASONS)
})
