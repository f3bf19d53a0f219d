/** One verb of the command line. */
export interface Command {
  /** What follows the verb: `ERROR_ID [--json]`. */
  usage: string
  /** What it does, in a line. */
  summary: string
  /**
   * Runs the command, prints the result through `print`, and answers the exit code. Throws UsageError for arguments
   * that it does not take.
   */
  run (args: string[], print: (text: string) => void): Promise<number>
}

/** Exit codes; those from 64 to 78 are of sysexits.h, and 130 is that of a shell. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  noInput: 66,
  unavailable: 69,
  noPermission: 77,
  config: 78,
  interrupted: 130
} as const

/** The command does not take these arguments. */
export class UsageError extends Error {}

/**
 * Text from elsewhere made safe for a terminal: control characters, which could move the cursor or hide lines, are
 * written as escapes.
 */
export function printable (text: string): string {
  const shown = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, shown)
}
