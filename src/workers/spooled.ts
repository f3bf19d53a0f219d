import { ftruncateSync, readSync, writeSync } from 'node:fs'
import type { LentFile, Part } from '../uploads/spool.ts'

// What a thread does with a spooled file. Synchronous: the thread has nothing else to do meanwhile.

/** The disk failed under a thread. */
export class DiskError extends Error {}

/** All of the file. */
export function readSpooled ({ handle, sizeBytes }: LentFile): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes)
  for (let at = 0; at < sizeBytes;) {
    const bytesRead = onDisk(() => readSync(handle.fd, bytes, at, sizeBytes - at, at))
    if (bytesRead === 0) throw new DiskError(`Of ${sizeBytes} bytes ${at} are in the spooled file`)
    at += bytesRead
  }
  return bytes
}

/** Replaces what is in the file by these, one after the other, and answers where each is. */
export function writeParts (
  { handle }: LentFile,
  pieces: Iterable<{ name: string, bytes: Uint8Array }>
): Part[] {
  const parts: Part[] = []
  let offset = 0
  onDisk(() => ftruncateSync(handle.fd, 0))
  for (const { name, bytes } of pieces) {
    for (let at = 0; at < bytes.length;) {
      at += onDisk(() => writeSync(handle.fd, bytes, at, bytes.length - at, offset + at))
    }
    parts.push({ name, offset, length: bytes.length })
    offset += bytes.length
  }
  return parts
}

function onDisk<T> (work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new DiskError('A spooled file cannot be used', { cause })
  }
}
