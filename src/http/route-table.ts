import type { RouteHandle } from './exchange.ts'

/** The routes of one pattern. */
interface Entry {
  /** Literal segments; undefined where the pattern has a parameter. */
  segments: Array<string | undefined>
  methods: Set<string>
  /** The route as log and metrics name an OPTIONS request to it. */
  options: RouteHandle
}

interface FoundRoute {
  /** Its methods, as the `Allow` header has them. */
  allow: string
  options: RouteHandle
}

/** The methods of each path: looked up only for requests that no route took. */
export class RouteTable {
  readonly #byLength = new Map<number, Map<string, Entry>>()
  /** Patterns with a `*` at the end, by the part before it. */
  readonly #byBeginning = new Map<string, Entry>()

  add (methods: string[], pattern: string, handle: RouteHandle): void {
    const parts = split(pattern)
    const segments = parts.map((part) => part.startsWith(':') ? undefined : part)
    const [entries, key] = pattern.endsWith('*')
      ? [this.#byBeginning, pattern.slice(0, -1)]
      : [this.#entriesOf(parts.length), segments.map((part) => part ?? ':').join('/')]
    const entry = entries.get(key) ?? { segments, methods: new Set<string>(), options: { ...handle, method: 'OPTIONS' } }
    entries.set(key, entry)
    for (const method of methods) entry.methods.add(method)
  }

  /** Every method that some path has, as the `Allow` header has them. */
  get methods (): string {
    const entries = [...this.#byLength.values()].flatMap((entries) => [...entries.values()])
    return allowOf([...entries, ...this.#byBeginning.values()])
  }

  /** The routes of a path, read as the router reads it; undefined where there are none. */
  find (path: string): FoundRoute | undefined {
    const decoded = decode(path)
    if (decoded === undefined) return undefined
    const found = this.#entries(decoded)
    // Fastify registers the first route of a scope with a slash at its end, too, and reports its HEAD alone.
    if (found.length > 0 && decoded.endsWith('/')) found.push(...this.#entries(decoded.slice(0, -1)))
    const [first] = found
    return first === undefined ? undefined : { allow: allowOf(found), options: first.options }
  }

  #entriesOf (length: number): Map<string, Entry> {
    const entries = this.#byLength.get(length) ?? new Map<string, Entry>()
    this.#byLength.set(length, entries)
    return entries
  }

  #entries (path: string): Entry[] {
    const parts = split(path)
    const fitting = [...(this.#byLength.get(parts.length)?.values() ?? [])].filter(({ segments }) =>
      segments.every((segment, index) => (segment === undefined ? parts[index] !== '' : segment === parts[index]))
    )
    if (fitting.length > 0) {
      // `/activities/import` is a path of its own, and no activity with that id.
      const parameters = Math.min(...fitting.map(parametersOf))
      return fitting.filter((entry) => parametersOf(entry) === parameters)
    }
    return [...this.#byBeginning].flatMap(([beginning, entry]) =>
      path.startsWith(beginning) && staysBelow(path.slice(beginning.length)) ? [entry] : []
    )
  }
}

function allowOf (entries: Entry[]): string {
  return [...new Set([...entries.flatMap(({ methods }) => [...methods]), 'OPTIONS'])].sort().join(', ')
}

/** Without the origin of an absolute URL and what follows the path, percent-decoded but for reserved characters. */
function decode (path: string): string | undefined {
  try {
    return decodeURI(path.replace(/^https?:\/\/[^/]*/i, '').split(/[?#]/, 1)[0] as string)
  } catch {
    return undefined
  }
}

/** Whether the rest of a path, however often it is decoded, has no segment that leads out of its folder. */
function staysBelow (rest: string): boolean {
  let decoded = rest
  for (let before = ''; decoded !== before;) {
    before = decoded
    decoded = decoded.replace(/%(2e|2f|5c|25)/gi, (escape) => decodeURIComponent(escape))
  }
  return !decoded.split(/[/\\]/).some((segment) => segment === '..' || segment === '.')
}

function parametersOf ({ segments }: Entry): number {
  return segments.filter((segment) => segment === undefined).length
}

function split (path: string): string[] {
  return path.split('/').slice(1)
}
