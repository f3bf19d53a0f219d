/** Shows how far something is: a bar on a terminal, else a line now and then. */
export interface Progress {
  show (what: string, done: number, total: number): void
  /** Takes the bar away, so that other lines can follow. */
  clear (): void
}

export interface Screen {
  isTTY?: boolean | undefined
  columns?: number | undefined
  write (text: string): unknown
}

const BAR = 24
/** Without a terminal, a line for each tenth. */
const TENTHS = 10

export function progressOn (screen: Screen): Progress {
  let last = ''
  return {
    show (what, done, total) {
      const share = total > 0 ? Math.min(1, done / total) : 1
      if (screen.isTTY === true) {
        const filled = Math.round(share * BAR)
        const line = `${what} [${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] ${Math.floor(share * 100)} %`
        if (line === last) return
        last = line
        screen.write(`\r\u001b[K${line.slice(0, (screen.columns ?? 80) - 1)}`)
        return
      }
      const line = `${what}: ${Math.floor(share * TENTHS) * 100 / TENTHS} %`
      if (line === last) return
      last = line
      screen.write(`${line}\n`)
    },
    clear () {
      if (screen.isTTY === true && last !== '') screen.write('\r\u001b[K')
      last = ''
    }
  }
}
