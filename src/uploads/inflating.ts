import { Readable, type Transform } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import { refused, type ArchiveSource, type Member } from './zip-directory.ts'

/** So much is read of a source, and unpacked, at a time. */
const BLOCK_BYTES = 64 * 1024

/** The bytes of a source from `start` up to but excluding `end`. */
export async function * rangeOf (source: ArchiveSource, start: number, end: number): AsyncGenerator<Buffer> {
  for (let offset = start; offset < end; offset += BLOCK_BYTES) {
    yield await source.read({ name: 'block', offset, length: Math.min(BLOCK_BYTES, end - offset) })
    // A source may have the bytes at hand: other work goes between one block and the next.
    await setImmediate()
  }
}

/**
 * The bytes of a member as they were before they were packed, never more than the directory says.
 * @throws AppError UNREADABLE_FILE where they are damaged
 */
export async function * bytesOf (source: ArchiveSource, member: Member, start: number): AsyncGenerator<Buffer> {
  const packed = rangeOf(source, start, start + member.packedBytes)
  const plain = member.deflated ? inflated(packed, createInflateRaw({ chunkSize: BLOCK_BYTES })) : packed
  let left = member.sizeBytes
  let sum = 0
  for await (const chunk of plain) {
    left -= chunk.length
    if (left < 0) throw refused('MEMBER_DAMAGED')
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (left > 0 || sum !== member.crc32) throw refused('MEMBER_DAMAGED')
}

/** @throws AppError UNREADABLE_FILE where the bytes are not what the transform takes; what `bytes` throws */
async function * inflated (bytes: AsyncIterable<Buffer>, inflate: Transform): AsyncGenerator<Buffer> {
  const source = Readable.from(bytes, { objectMode: false })
  source.on('error', (error) => inflate.destroy(error))
  try {
    yield * source.pipe(inflate) as AsyncIterable<Buffer>
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      throw refused('MEMBER_DAMAGED', 'UNREADABLE_FILE', error)
    }
    throw error
  } finally {
    source.destroy()
    inflate.destroy()
  }
}
