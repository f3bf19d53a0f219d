/** What is known of a statement by its place in the code, whatever its values are. */
export interface Template {
  /** From the comment it begins with. */
  readonly name: string
  /** Whether it was quick the last time. A statement that never ran is taken for a slow one. */
  quick: boolean
}

const templates = new WeakMap<TemplateStringsArray, Template>()

export function templateOf (strings: TemplateStringsArray): Template {
  let template = templates.get(strings)
  if (template === undefined) {
    const name = /^\s*\/\*\s*([\w.-]{1,64})\s*\*\//.exec(strings[0] as string)?.[1] ?? 'unnamed'
    templates.set(strings, template = { name, quick: false })
  }
  return template
}
