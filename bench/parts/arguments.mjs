import { parseArgs } from 'node:util'

/**
 * Command-line arguments as numbers and texts, or one of those in a list, the first without; a wrong one ends the
 * process with what there is.
 */
export function readArguments (defaults) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      typeof value === 'boolean' ? { type: 'boolean' } : { type: 'string' }
    ])
  )
  let values
  try {
    ({ values } = parseArgs({ options }))
    for (const [name, value] of Object.entries(defaults)) {
      if (typeof value === 'number' && values[name] !== undefined && !(Number(values[name]) > 0)) { throw new Error(`--${name} takes a number above 0`) }
      if (Array.isArray(value) && values[name] !== undefined && !value.includes(values[name])) { throw new Error(`--${name} takes ${value.join(' or ')}`) }
    }
  } catch (error) {
    console.error(error.message)
    console.error(
      `Arguments and what they are without: ${Object.entries(defaults)
        .map(([name, value]) => `--${name} ${standing(value)}`)
        .join('  ')}`
    )
    process.exit(2)
  }
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      values[name] === undefined ? standing(value) : typeof value === 'number' ? Number(values[name]) : values[name]
    ])
  )
}

/** What stands where nothing is said. */
function standing (value) {
  return Array.isArray(value) ? value[0] : value
}
