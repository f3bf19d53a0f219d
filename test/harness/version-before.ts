import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

interface Package { dependencies: Record<string, string> }

function git (...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** The last commit without the newest migration, or why it cannot be had: the history is missing, or its packages. */
export function findVersionBefore (): { commit: string } | { missing: string } {
  const newest = git('log', '-1', '--format=%H', '--', 'db/migrations')
  if (!newest) return { missing: 'there is no git history of the migrations' }
  const commit = git('rev-parse', '--verify', '--quiet', `${newest}~1^{commit}`)
  const manifest = commit && git('show', `${commit}:package.json`)
  if (!commit || !manifest) return { missing: 'the git history does not reach back before the newest migration' }
  const now = JSON.parse(readFileSync('package.json', 'utf8')) as Package
  const gone = Object.keys((JSON.parse(manifest) as Package).dependencies).find((name) => !(name in now.dependencies))
  return gone === undefined ? { commit } : { missing: `the version before needs ${gone}, which is no longer installed` }
}

/** Builds a commit in a new folder, with the packages of this checkout; returns the script of its service. */
export function buildCommit (commit: string, folder: string): string {
  mkdirSync(folder, { recursive: true })
  const unpacked = spawnSync('sh', ['-c', 'git archive "$1" | tar -x -C "$2"', 'sh', commit, folder], { encoding: 'utf8' })
  if (unpacked.status !== 0 || !existsSync(join(folder, 'src'))) throw new Error(`git archive failed: ${unpacked.stderr}`)
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  // Its types were checked when it was committed.
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck', '--sourceMap', 'false'], {
    cwd: folder,
    encoding: 'utf8'
  })
  if (built.status !== 0) throw new Error(`tsc failed: ${built.stdout}`)
  const copied = spawnSync('sh', ['-c', 'cp -R db/migrations dist/db/ && cp src/views/health-page/view.* dist/src/views/health-page/'], {
    cwd: folder,
    encoding: 'utf8'
  })
  if (copied.status !== 0) throw new Error(`the files that are not compiled: ${copied.stderr}`)
  return join(folder, 'dist/src/server.js')
}
