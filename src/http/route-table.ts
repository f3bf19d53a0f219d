interface Entry {
  /** Literal segments; undefined where the pattern has a parameter. */
  segments: Array<string | undefined>
  methods: Set<string>
}

/** Which methods a path knows: asked only for requests that no route took. */
export class RouteTable {
  readonly #byLength = new Map<number, Map<string, Entry>>()
  /** Methods by what stands before a `*` at the end. */
  readonly #byBeginning = new Map<string, Set<string>>()

  add (methods: string[], pattern: string): void {
    if (pattern.endsWith('*')) {
      const beginning = pattern.slice(0, -1)
      this.#byBeginning.set(beginning, new Set([...this.#byBeginning.get(beginning) ?? [], ...methods]))
      return
    }
    const parts = split(pattern)
    const shape = parts.map((part) => part.startsWith(':') ? undefined : part)
    const key = shape.map((part) => part ?? ':').join('/')
    const entries = this.#byLength.get(parts.length) ?? new Map<string, Entry>()
    this.#byLength.set(parts.length, entries)
    const entry = entries.get(key) ?? { segments: shape, methods: new Set<string>() }
    entries.set(key, entry)
    for (const method of methods) entry.methods.add(method)
  }

  /** As the `Allow` header has them; undefined where no route has this path. */
  methodsOf (path: string): string | undefined {
    const found = this.#found(path)
    // Fastify has the first route of a scope with a slash at its end, too, and tells of its HEAD alone.
    if (found.length > 0 && path.endsWith('/')) found.push(...this.#found(path.slice(0, -1)))
    if (found.length === 0) return undefined
    return [...new Set([...found, 'OPTIONS'])].sort().join(', ')
  }

  #found (path: string): string[] {
    const parts = split(path)
    const fitting = [...(this.#byLength.get(parts.length)?.values() ?? [])].filter(({ segments }) =>
      segments.every((segment, index) => (segment === undefined ? parts[index] !== '' : segment === parts[index]))
    )
    // `/activities/import` is its own path, and not an activity of that id.
    const parameters = Math.min(...fitting.map(parametersOf))
    if (fitting.length > 0) {
      return fitting.filter((entry) => parametersOf(entry) === parameters).flatMap(({ methods }) => [...methods])
    }
    return [...this.#byBeginning]
      .filter(([beginning]) => path.startsWith(beginning))
      .flatMap(([, methods]) => [...methods])
  }
}

function parametersOf ({ segments }: Entry): number {
  return segments.filter((segment) => segment === undefined).length
}

function split (path: string): string[] {
  return path.split('/').slice(1)
}
