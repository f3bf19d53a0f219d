import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

const NEWLINE = 10

/**
 * Ends the line that a killed process left open, so that the next one does not hang on it. Answers how many bytes that
 * took.
 */
export function endHalfLine (fd: number, size: number): number {
  const last = Buffer.alloc(1)
  const isOpen = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE
  return isOpen ? writeSync(fd, '\n') : 0
}

/**
 * After a write of whole lines that failed on the way: takes the beginning of a line off the file again, which had
 * `before` bytes. Answers how many bytes of the lines are in it for good.
 */
export function undoHalfLine (fd: number, before: number, lines: Buffer): number {
  try {
    const written = fstatSync(fd).size - before
    if (written <= 0 || written > lines.length) return 0
    const whole = lines.lastIndexOf(NEWLINE, written - 1) + 1
    if (whole < written) ftruncateSync(fd, before + whole)
    return whole
  } catch {
    return 0
  }
}

/**
 * The lines from a position on, `atMost` bytes of them, of an open file that has been removed: nobody else can read
 * them any more.
 */
export function linesOfRemoved (fd: number, from: number, atMost: number): Buffer | undefined {
  try {
    const { nlink, size } = fstatSync(fd)
    if (nlink > 0 || size <= from) return undefined
    // The descriptor itself may be for writing only.
    const reading = openSync(`/proc/self/fd/${fd}`, 'r')
    try {
      const bytes = Buffer.alloc(Math.min(size - from, atMost))
      const length = readSync(reading, bytes, 0, bytes.length, from)
      return bytes.subarray(0, length === 0 ? 0 : bytes.lastIndexOf(NEWLINE, length - 1) + 1)
    } finally {
      closeSync(reading)
    }
  } catch {
    // Not a system with /proc: what went into the removed file went with it.
    return undefined
  }
}
