import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jsonDifference, ROOT, textDifference, type Block } from './documents.ts'
import type { ServiceProcess } from './service.ts'

/** The part of a tap test that is used here. */
interface Walker {
  comment (message: string): unknown
  equal (found: unknown, wanted: unknown, message: string): unknown
  fail (message: string): unknown
  pass (message: string): unknown
}

/** The files and directories that a reader has, relative to the working directory. */
const LINKED = [
  'package.json',
  'dist',
  'node_modules',
  'scripts',
  'examples',
  'docs',
  'src',
  'plugins',
  'routes',
  'jobs',
  'schemas',
  'db',
  'deploy',
  'README.md',
  '.env.example',
  'tsconfig.json',
  'tsconfig.build.json',
  'LICENSE'
]
const ADDRESS = /\blocalhost:8000\b/g
/** Commands that are not installed everywhere; a page runs only if the ones that it uses are. */
const TOOLS = ['curl', 'grep', 'jq', 'psql', 'pg_dump', 'docker', 'kubectl', 'promtool', 'openssl']

/** Lines of the log that only a slow machine has. */
const SLOW = /^\{"timestamp".*"message":"slow (query|request)".*\n/gm

/** The commands that a block needs and this machine lacks. */
export function missingTools ({ body }: Pick<Block, 'body'>): string[] {
  return TOOLS.filter(
    (tool) =>
      new RegExp(`(^|[\\s|;&(])${tool}\\s`, 'm').test(body) &&
      spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0
  )
}

/** The syntax error of a block; undefined if bash can parse it. */
export function syntaxProblem ({ body }: Block): string | undefined {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: body, encoding: 'utf8' })
  return status === 0 ? undefined : stderr
}

/**
 * Runs the `bash run` blocks of a page as a reader would: in order, in one shell that stops at the first failing
 * command, in a directory like a checkout, against `service`; and compares their output with the following
 * `json output` or `text output` block.
 */
export async function walk (
  t: Walker,
  blocks: Block[],
  service: ServiceProcess,
  env: Record<string, string>
): Promise<void> {
  for (const name of LINKED) {
    if (existsSync(join(ROOT, name)) && !existsSync(join(service.directory, name))) {
      symlinkSync(join(ROOT, name), join(service.directory, name))
    }
  }
  const without = missingTools({ body: 'curl grep ' })
  if (without.length > 0) {
    t.comment(`SKIPPED ${blocks[0]?.page}: ${without.join(', ')} is not installed`)
    return
  }
  const runs = blocks.flatMap((block, i) =>
    block.language === 'bash' && block.kind === 'run' ? [{ block, output: outputAfter(blocks, i) }] : []
  )
  const folder = mkdtempSync(join(tmpdir(), 'walk-'))
  try {
    const doable = runs.map(({ block }) => missingTools(block))
    const address = `127.0.0.1:${service.port}`
    const script = runs
      .map(({ block }, i) =>
        doable[i]?.length
          ? ''
          : `${block.body.includes('logs/app.log') ? awaitLog(address, i) : ''}{\n${block.body.replaceAll(ADDRESS, address)}} > ${folder}/${i}.out 2> ${folder}/${i}.err\ntouch ${folder}/${i}.done\n`
      )
      .join('')
    writeFileSync(join(folder, 'script'), script)
    const shell = spawn('bash', ['-e', join(folder, 'script')], {
      cwd: service.directory,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env, PORT: String(service.port) },
      stdio: 'ignore'
    })
    await once(shell, 'exit')
    for (const [i, { block, output }] of runs.entries()) {
      const place = `${block.page}:${block.line}`
      if (doable[i]?.length) {
        t.comment(`SKIPPED ${place}: ${doable[i].join(', ')} is not installed`)
        t.equal(syntaxProblem(block), undefined, `${place} can be read by bash`)
        continue
      }
      if (!existsSync(`${folder}/${i}.done`)) {
        t.fail(
          `${place} failed:\n${block.body}\n${readIfThere(`${folder}/${i}.out`)}\n${readIfThere(`${folder}/${i}.err`)}`
        )
        return
      }
      if (output === undefined) {
        t.pass(`${place} runs`)
        continue
      }
      const printed = readFileSync(`${folder}/${i}.out`, 'utf8').replace(SLOW, '').replaceAll(address, 'localhost:8000')
      const difference =
        output.language === 'json' ? jsonDifference(output.body, printed) : textDifference(output.body, printed)
      t.equal(difference, undefined, `${place} prints what line ${output.line} shows`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The log may lag slightly behind a response, and a script is faster than a person: waits for the line of a request
 * sent now, which follows the lines of all requests answered before.
 */
function awaitLog (address: string, i: number): string {
  return `curl -s -o /dev/null -H 'x-request-id: reader-${i}' ${address}/\nuntil grep -q reader-${i} logs/app.log; do sleep 0.02; done\n`
}

function outputAfter (blocks: Block[], i: number): Block | undefined {
  const next = blocks[i + 1]
  return next?.kind === 'output' ? next : undefined
}

function readIfThere (path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
