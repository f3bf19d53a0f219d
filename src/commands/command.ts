/** One verb of the command line. */
export interface Command {
  /** What follows the verb: `ERROR_ID [--json]`. */
  usage: string
  /** What it does, in a line. */
  summary: string
  /**
   * Does it, says what came of it through `print`, and answers the exit code. Throws UsageError for arguments it cannot
   * take.
   */
  run (args: string[], print: (text: string) => void): Promise<number>
}

/** Exit codes, of sysexits.h beyond 1. */
export const EXIT = { ok: 0, failed: 1, usage: 64, config: 78 } as const

/** The arguments are not ones that the verb takes. */
export class UsageError extends Error {}

/**
 * Text from elsewhere made safe for a terminal: control characters, which could move the cursor or hide lines, are
 * shown and not sent.
 */
export function printable (text: string): string {
  const shown = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, shown)
}
