import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

const NEWLINE = 10

/**
 * Terminates the line that a killed process left incomplete, so that the next one does not continue it. Returns the
 * number of bytes written.
 */
export function endHalfLine (fd: number, size: number): number {
  const last = Buffer.alloc(1)
  const isOpen = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE
  return isOpen ? writeSync(fd, '\n') : 0
}

/**
 * After a partial write of whole lines to a file that had `before` bytes: removes the incomplete line. Returns the
 * number of bytes of whole lines that were written.
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
 * The lines from a position on, at most `atMost` bytes, of an open file that has been removed: only this process can
 * still read them.
 */
export function linesOfRemoved (fd: number, from: number, atMost: number): Buffer | undefined {
  try {
    const { nlink, size } = fstatSync(fd)
    if (nlink > 0 || size <= from) return undefined
    // The descriptor itself may be write-only.
    const reading = openSync(`/proc/self/fd/${fd}`, 'r')
    try {
      const bytes = Buffer.alloc(Math.min(size - from, atMost))
      const length = readSync(reading, bytes, 0, bytes.length, from)
      return bytes.subarray(0, length === 0 ? 0 : bytes.lastIndexOf(NEWLINE, length - 1) + 1)
    } finally {
      closeSync(reading)
    }
  } catch {
    // Without /proc, the lines in the removed file are lost.
    return undefined
  }
}
