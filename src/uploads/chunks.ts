import { promisify } from 'node:util'
import { constants, gunzip, gzipSync } from 'node:zlib'

/** How much of an original one row holds: what one statement carries, and one read of it, is never more. */
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
 * The plain bytes of a chunk, unpacked on a thread of Node's, in one go: by default it would wait for a thread 16
 * times, behind whatever else wants one. Rejects what is no gzip, or of more than a chunk.
 */
export async function unpackChunk (gzip: Buffer): Promise<Buffer> {
  return await unzipped(gzip, { maxOutputLength: CHUNK_BYTES, chunkSize: CHUNK_BYTES + 1024 })
}
