/**
 * What Piscina loads in each thread. It is CommonJS, and loads the rest by `import`, for Piscina loads a file by
 * `require`: where a thread is ended while it links ES modules that are required, Node ends the whole process
 * ("IsGraphAsync must be used on an instantiated module"), and a client that leaves ends its thread.
 */
const { workerData } = require('node:worker_threads') as { workerData: string }

type Work = (task: unknown) => unknown

/** Of a module's default export. */
const workOf = async (loading: Promise<{ default: unknown }>): Promise<Work> => (await loading).default as Work

// Loaded ahead: the first task finds it there. A failure is told to the task.
const main = workOf(import(workerData))
main.catch(() => {})

module.exports = {
  /** The work of the module that the pool names. */
  main: async (task: unknown) => await (await main)(task),
  convert: async (task: unknown) => await (await workOf(import('./convert.ts')))(task),
  unpack: async (task: unknown) => await (await workOf(import('./unpack.ts')))(task),
  steps: async (task: unknown) => await (await workOf(import('./steps.ts')))(task)
}
