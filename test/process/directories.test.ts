import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadOrMakeSecret } from '../../src/auth/secret-file.ts'
import { ConfigError } from '../../src/config/config.ts'
import { readConfig } from '../../src/config/read.ts'
import { inspectDirectory, prepareDirectories } from '../../src/config/directories.ts'

t.test('folders are created, and one that cannot be written to is reported', async (t) => {
  const folder = t.testdir({ file: 'not a folder' })
  const config = readConfig({}, folder)
  t.same(await prepareDirectories(config), [])
  t.same(readdirSync(folder).sort(), ['data', 'file', 'logs'])
  t.same(readdirSync(join(folder, 'data')), [], 'nothing is left in them')

  const [warning] = await prepareDirectories(readConfig({ LOG_DIR: 'file/logs' }, folder))
  t.equal(warning?.error_code, 'CONFIG_LOG_DIR')
  await t.rejects(
    prepareDirectories(readConfig({ DATA_DIR: 'file' }, folder)),
    new ConfigError([
      {
        variable: 'DATA_DIR',
        message: 'is not writable (EEXIST); expected a directory that this user can create or write to'
      }
    ])
  )
  const given = { DATABASE_URL: 'postgres://localhost/trainer', JWT_SECRET: 'k9Vw2rXq7TzB4nLs8dYfGh1JmCpR6eUa' }
  await t.rejects(
    prepareDirectories(readConfig({ ...given, DATA_DIR: 'file' }, folder)),
    ConfigError as never,
    'uploads are spooled there even where database and secret are given'
  )
})

t.test('a folder that does not exist yet is checked by its parent', async (t) => {
  const folder = t.testdir({ file: '' })
  t.match(await inspectDirectory(join(folder, 'a', 'b')), { exists: false, writable: true, freeBytes: Number })
  t.match(await inspectDirectory(folder), { exists: true, writable: true })
  t.match(await inspectDirectory(join(folder, 'file', 'logs')), { writable: false, error: 'ENOTDIR' })
})

t.test('the secret is created once, readable by its owner alone, and concurrent callers get the same', async (t) => {
  const folder = join(t.testdir({}), 'data')
  const made = await Promise.all(Array.from({ length: 20 }, () => loadOrMakeSecret(folder)))
  t.equal(new Set(made).size, 1)
  t.ok(Buffer.byteLength(made[0]!) >= 32)
  t.same(readdirSync(folder), ['jwt-secret'], 'no draft is left')
  t.equal(statSync(join(folder, 'jwt-secret')).mode & 0o777, 0o600)
  t.equal(await loadOrMakeSecret(folder), made[0])

  const script =
    'const { loadOrMakeSecret } = await import(process.argv[1]); console.log(await loadOrMakeSecret(process.argv[2]))'
  const { stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, new URL('../../src/auth/secret-file.js', import.meta.url).href, folder],
    { encoding: 'utf8' }
  )
  t.equal(stdout.trim(), made[0], 'another process too')
})

t.test('a damaged secret file is refused rather than replaced', async (t) => {
  const folder = t.testdir({ 'jwt-secret': 'short\n' })
  await t.rejects(loadOrMakeSecret(folder), /holds no secret; delete it/)
  t.equal(readFileSync(join(folder, 'jwt-secret'), 'utf8'), 'short\n')
  await t.rejects(loadOrMakeSecret(join(folder, 'jwt-secret')), { code: 'ENOTDIR' })
})
