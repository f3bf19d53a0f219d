import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** From left to right, as in README: each layer may import what stands at its own place or further right. */
const LAYERS: Array<[name: string, holds: RegExp]> = [
  ['process', /^src\/(server|cli|app)\.ts$|^src\/(process|commands)\//],
  ['offer', /^(routes|jobs|plugins)\//],
  ['workflows', /^src\/workflows\//],
  ['store', /^db\//],
  ['platform', /^src\/(config|http|transport|health|openapi|uploads|workers|jobs|metrics|tracing)\//],
  ['means', /^src\/(auth|log|views)\/|^src\/ids\.ts$/],
  ['speak', /^schemas\//],
  ['know', /^src\/domain\//],
  ['errors', /^src\/(errors|error-catalogue)\.ts$/]
]

interface Source {
  path: string
  text: string
  /** Files of the project it imports, by path; `type` where only types are taken. */
  imports: Array<{ path: string, typeOnly: boolean }>
}

const sources = ['src', 'plugins', 'routes', 'jobs', 'schemas', 'db']
  .flatMap((folder) => filesIn(join(ROOT, folder)))
  .map(read)

function filesIn (folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

function read (file: string): Source {
  const text = readFileSync(file, 'utf8')
  const path = relative(ROOT, file).replaceAll('\\', '/')
  const imports = [...text.matchAll(/^(?:import|export)\s+(type\s)?([^'"]*?from\s+)?'(\.[^']+)'/gm)].map(
    ([, type, , target]) => ({
      path: relative(ROOT, resolve(dirname(file), target as string)).replaceAll('\\', '/'),
      typeOnly: type !== undefined
    })
  )
  return { path, text, imports }
}

function layerOf (path: string): number {
  return LAYERS.findIndex(([, holds]) => holds.test(path))
}

t.test('every file has its place in a layer', async (t) => {
  t.same(sources.filter(({ path }) => layerOf(path) === -1).map(({ path }) => path), [])
})

t.test('the layers are those that README draws', async (t) => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  t.equal(/^process ─► .*$/m.exec(readme)?.[0], LAYERS.map(([name]) => name).join(' ─► '))
  for (const [name, holds] of LAYERS) {
    const places = new RegExp(`^${name} {2,}(.*?)(?: {3,}.*)?$`, 'm').exec(readme)?.[1]?.split(' ') ?? []
    const drawn = sources.filter(({ path }) =>
      places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))
    )
    t.same(drawn.map(({ path }) => path), sources.filter(({ path }) => holds.test(path)).map(({ path }) => path), name)
  }
})

t.test('no file imports from a layer to its left', async (t) => {
  const wrong = sources.flatMap(({ path, imports }) => imports
    .filter((target) => layerOf(target.path) < layerOf(path))
    .map((target) => `${path} imports ${target.path}`))
  t.same(wrong, [])
})

t.test('there is no cycle of imports, those of types included', async (t) => {
  const importsOf = new Map(sources.map(({ path, imports }) => [path, imports.map((target) => target.path)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const follow = (path: string, trail: string[]): void => {
    const begins = trail.indexOf(path)
    if (begins !== -1) cycles.push([...trail.slice(begins), path].join(' > '))
    if (begins !== -1 || done.has(path)) return
    for (const target of importsOf.get(path) ?? []) follow(target, [...trail, path])
    done.add(path)
  }
  for (const path of importsOf.keys()) follow(path, [])
  t.same(cycles, [])
})

t.test('no route imports a route, and no plugin a plugin', async (t) => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports
      .filter((target) =>
        ['routes/', 'plugins/'].some((folder) => path.startsWith(folder) && target.path.startsWith(folder))
      )
      .map((target) => `${path} imports ${target.path}`)
  )
  t.same(wrong, [])
})

t.test('the domain is told and does not ask: no I/O, no clock, no environment, nothing of HTTP or SQL', async (t) => {
  const wrong = sources
    .filter(({ path }) => path.startsWith('src/domain/'))
    .flatMap(({ path, text }) =>
      [
        /from 'node:(fs|net|http|https|child_process|dns)/,
        /\bfrom 'fastify'/,
        /\bfrom 'postgres'/,
        /Date\.now\(\)/,
        /new Date\(\)/,
        /Math\.random\(/
      ]
        .filter((pattern) => pattern.test(text))
        .map((pattern) => `${path}: ${pattern.source}`)
    )
  t.same(wrong, [])
})

t.test('only src/config/read.ts reads the environment', async (t) => {
  t.same(
    sources
      .filter(({ path, text }) => path !== 'src/config/read.ts' && /\bprocess\.env\b/.test(text))
      .map(({ path }) => path),
    []
  )
})

t.test('SQL is written in db/ alone, and every statement there has a name', async (t) => {
  const outside = sources.filter(
    ({ path, text }) =>
      !path.startsWith('db/') && (/from 'postgres'/.test(text) || /\b(sql|fragment)(<[^`]*>)?`/.test(text))
  )
  t.same(outside.map(({ path }) => path), [])
  const unnamed = sources
    .filter(({ path }) => path.startsWith('db/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/await sql(?:<[^`]*>)?`(?!\/\* \w+ \*\/)([^`\n]*)/g)].map(
        ([, start]) => `${path}: ${start}`
      )
    )
    .filter((place) => !/^db\/(migrate|embedded|inspect)/.test(place))
  t.same(unnamed, [])
})

t.test('routes and jobs are given their database, and only the two plugins that hand it on take it', async (t) => {
  const wrong = sources.flatMap(({ path, text, imports }) => [
    ...(/^(routes|src\/workflows)\//.test(path)
      ? imports.filter((target) => /^db\/(database\.ts|driver\/)/.test(target.path)).map((target) => target.path)
      : []),
    ...(/\btakeSql\b/.test(text) && !/^plugins\/(database|idempotency)\.ts$/.test(path) ? ['takeSql'] : []),
    ...(/\bapp\.database\b/.test(text) ? ['app.database'] : [])
  ].map((found) => `${path}: ${found}`))
  t.same(wrong, [])
})

t.test('the database layer never answers a client: it throws no AppError', async (t) => {
  t.same(
    sources.filter(({ path, text }) => path.startsWith('db/') && /AppError/.test(text)).map(({ path }) => path),
    []
  )
})

t.test('no file is longer than 400 lines, and none has a name that says nothing', async (t) => {
  t.same(sources.filter(({ text }) => text.split('\n').length > 401).map(({ path }) => path), [])
  t.same(
    sources
      .filter(({ path }) => /(util|helper|manager|service|common-|misc)s?[.-]/i.test(path.split('/').at(-1) as string))
      .map(({ path }) => path),
    []
  )
})

/** What reaches into Node, Fastify or the driver, and the files that may, each of which says what would break it. */
const UNDOCUMENTED: Array<[what: RegExp, files: RegExp | undefined]> = [
  [/\b_handle\b/, undefined],
  [/getOwnPropertySymbols/, undefined],
  [/\.listeners\(/, undefined],
  [/setFlagsFromString/, undefined],
  [/@ts-expect-error/, undefined],
  // To remove a listener of one's own there is `off`; by the older name those of others are removed.
  [/removeListener\(|removeAllListeners\(/, undefined],
  [/\.constructor as\b/, undefined],
  [/override writeHead\b/, /^src\/transport\/response\.ts$/]
]

t.test('only documented interfaces are used, but for those of the files that are named here', async (t) => {
  for (const [what, files] of UNDOCUMENTED) {
    const found = sources.filter(({ text }) => what.test(text)).map(({ path }) => path)
    t.same(found.filter((path) => files?.test(path) !== true), [], what.source)
  }
})

/** A source without its comments and texts, in which a name may stand that is not used. */
function codeOf (text: string): string {
  return text.replace(/\/\*[^]*?\*\/|\/\/.*$|'(?:\\.|[^'\\\n])*'/gm, '')
}

/** What a plugin adds to the instance, to requests and to replies: the names in its `declare module`. */
function decorators (text: string): string[] {
  const declared = /^declare module 'fastify' \{\n([^]*?)^\}/m.exec(text.replace(/\/\*[^]*?\*\//g, ''))?.[1] ?? ''
  return [...declared.matchAll(/^ {2}interface Fastify(?:Instance|Request|Reply) \{\n([^]*?)^ {2}\}/gm)]
    .flatMap(([, members]) => [...(members as string).matchAll(/^ {4}(?:readonly )?(\w+)/gm)])
    .map(([, name]) => name as string)
}

/** Whether code takes that name of an instance, a request or a reply, by a dot or by taking them apart. */
function uses (code: string, name: string): boolean {
  const owners = '(?:app|server|this|request|reply)'
  return (
    new RegExp(`\\b${owners}\\.${name}\\b`).test(code) ||
    new RegExp(`\\{[^{}]*\\b${name}\\b[^{}]*\\}(?:: Fastify(?:Instance|Request|Reply)| = (?:app|this|request))\\b`).test(code)
  )
}

/** Dependencies for the order of hooks alone: preflights are answered before any other OPTIONS. */
const COMES_AFTER = new Map([['allowed-methods', ['security']]])

t.test('the dependencies that a plugin declares are the plugins whose decorators it uses', async (t) => {
  const plugins = sources
    .filter(({ path }) => path.startsWith('plugins/'))
    .map(({ path, text }) => {
      const [, name, list] = /\{\s*name: '([\w-]+)'(?:,\s*dependencies: \[([^\]]*)\])?\s*\}\s*\)$/m.exec(text) ?? []
      const declared = [...(list ?? '').matchAll(/'([\w-]+)'/g)].map(([, each]) => each as string)
      const code = codeOf(text.replace(/^declare module [^]*?^\}/m, ''))
      return { path, name: name as string, declared, code, own: decorators(text) }
    })
  t.ok(plugins.length > 15 && plugins.every(({ name }) => name !== undefined))
  t.ok(plugins.flatMap(({ own }) => own).length > 20)
  for (const { path, name, declared, code } of plugins) {
    const used = plugins
      .filter((other) => other.name !== name && other.own.some((decorator) => uses(code, decorator)))
      .map((other) => other.name)
    t.same([...declared].sort(), [...used, ...(COMES_AFTER.get(name) ?? [])].sort(), path)
  }
})
