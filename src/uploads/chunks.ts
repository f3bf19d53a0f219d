import { promisify } from 'node:util'
import { constants, gunzip, gzipSync } from 'node:zlib'

/** How much of an original one row holds: the most that one statement writes or reads of it. */
export const CHUNK_BYTES = 256 * 1024

const unzipped = promisify(gunzip)

/**
 * An original cut into chunks, each gzip of its own, so that each can be read without the others; one is packed when it
 * is asked for. It takes 2 ms a megabyte of XML and 14 of FIT, and belongs on a thread that answers no requests.
 *
 * Level 1 packs XML to a thirteenth and FIT to three fifths; 6 takes 2.5 times as long for a sixth less.
 */
export function * packChunks (bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    yield gzipSync(bytes.subarray(at, at + CHUNK_BYTES), { level: constants.Z_BEST_SPEED })
  }
}

/**
 * The plain bytes of a chunk, unpacked on Node's thread pool in one task: with zlib's default chunk size it would queue
 * for a thread 16 times. Rejects bytes that are not gzip, or unpack to more than a chunk.
 */
export async function unpackChunk (gzip: Buffer): Promise<Buffer> {
  return await unzipped(gzip, { maxOutputLength: CHUNK_BYTES, chunkSize: CHUNK_BYTES + 1024 })
}
