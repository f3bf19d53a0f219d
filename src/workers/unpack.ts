import { createHash } from 'node:crypto'
import type { LentFile } from '../uploads/spool.ts'
import { unpackBytes, type PackedMember, type Unpacked } from '../uploads/unpacking.ts'
import { withFile } from './decode.ts'
import { writeParts } from './spooled.ts'

/** The file to unpack. */
export type UnpackTask = LentFile & { member: PackedMember | undefined }

/** The work of a decoding thread that unpacks a file: its plain bytes are in the place of the packed ones. */
export default async function unpackTask ({ member, ...file }: UnpackTask): Promise<unknown> {
  return await withFile(file, (bytes, file) => unpackFile(bytes, file, member))
}

/** Writes the plain bytes of packed ones into their file. */
export function unpackFile (bytes: Uint8Array, file: LentFile, member: PackedMember | undefined): Unpacked {
  const plain = unpackBytes(bytes, member)
  if (typeof plain === 'string') return { refused: plain }
  if (plain !== bytes) writeParts(file, [{ name: 'plain', bytes: plain }])
  return { sizeBytes: plain.length, sha256: createHash('sha256').update(plain).digest() }
}
