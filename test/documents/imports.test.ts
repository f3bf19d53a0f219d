import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WARNING_CODES } from '../../src/domain/warnings.ts'
import { ROOT } from '../harness/documents.ts'

t.test('docs/IMPORTS.md lists the codes of warnings as the code does', async (t) => {
  const rows = readFileSync(join(ROOT, 'docs/IMPORTS.md'), 'utf8').matchAll(/^\| `([A-Z_]+)` \| (.+) \|$/gm)
  t.same(Object.fromEntries(Array.from(rows, ([, code, meaning]) => [code, meaning])), WARNING_CODES)
})
