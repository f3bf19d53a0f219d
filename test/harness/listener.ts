interface Line { level: string, message: string, fields: Record<string, unknown> }

/** The longest wait for a message, in ms. */
const PATIENCE_MS = 30_000

/** A logger that records its lines, and on which a test can await a message. */
export function listener () {
  const lines: Line[] = []
  let look = () => {}
  const say = (level: string) => (message: string, fields: Record<string, unknown> = {}) => {
    lines.push({ level, message, fields })
    look()
  }
  const log = { debug: say('debug'), info: say('info'), warning: say('warning'), error: say('error') }
  /** Resolves when a message that contains this text has been logged `times` times. */
  const said = (words: string, times = 1) => new Promise<void>((resolve, reject) => {
    const impatience = setTimeout(
      () => reject(new Error(`Nobody said "${words}" ${times} times: ${JSON.stringify(lines)}`)),
      PATIENCE_MS
    )
    look = () => {
      if (lines.filter(({ message }) => message.includes(words)).length < times) return
      clearTimeout(impatience)
      resolve()
    }
    look()
  })
  return { log, lines, said }
}
