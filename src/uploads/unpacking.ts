import { crc32, gunzipSync, inflateRawSync } from 'node:zlib'
import type { ImportReasonCode } from '../domain/import-reasons.ts'
import { MAX_RECORDING_BYTES } from './plain.ts'
import type { SpooledFile } from './spool.ts'

/** What the directory of a ZIP archive says of a member. */
export interface PackedMember {
  deflated: boolean
  sizeBytes: number
  crc32: number
}

/** The size and SHA-256 of the plain bytes of a file, or why there are none. */
export type Unpacked =
  | { sizeBytes: number, sha256: Uint8Array, refused?: undefined }
  | { refused: ImportReasonCode }

/**
 * Replaces the packed bytes in a file by the plain ones, on another thread; `member` is absent for what is in no ZIP
 * archive.
 */
export type Unpack = (file: SpooledFile, member: PackedMember | undefined, signal: AbortSignal) => Promise<Unpacked>

/** More is not asked for at once: gzip does not say how much it holds. */
const GUNZIP_BYTES = 1024 * 1024
/** The least that zlib takes for a buffer. */
const LEAST_BYTES = 64

/**
 * The plain bytes of a packed file, of a `.gz` what it holds, or why it is refused; never more than a recording may
 * have. It takes some milliseconds a megabyte, and belongs on a thread that answers no requests.
 */
export function unpackBytes (packed: Uint8Array, member: PackedMember | undefined): Uint8Array | ImportReasonCode {
  const whole = member === undefined ? packed : memberBytes(packed, member)
  if (typeof whole === 'string') return whole
  const plain = whole[0] === 0x1f && whole[1] === 0x8b ? gunzipped(whole) : whole
  if (typeof plain === 'string') return plain
  if (plain.length === 0) return 'EMPTY_FILE'
  return plain.length > MAX_RECORDING_BYTES ? 'TOO_LARGE' : plain
}

function memberBytes (
  packed: Uint8Array,
  { deflated, sizeBytes, crc32: sum }: PackedMember
): Uint8Array | ImportReasonCode {
  const chunkSize = Math.max(LEAST_BYTES, sizeBytes)
  // One byte more than the directory says is wrong already.
  const inflate = () => inflateRawSync(packed, { chunkSize, maxOutputLength: Math.max(1, sizeBytes) })
  const plain = deflated ? inflated(inflate, 'MEMBER_DAMAGED') : packed
  if (typeof plain === 'string') return plain
  return plain.length === sizeBytes && crc32(plain) === sum ? plain : 'MEMBER_DAMAGED'
}

function gunzipped (bytes: Uint8Array): Uint8Array | ImportReasonCode {
  return inflated(
    () => gunzipSync(bytes, { chunkSize: GUNZIP_BYTES, maxOutputLength: MAX_RECORDING_BYTES }),
    'TOO_LARGE'
  )
}

/** What `inflate` answers; a reason where the bytes are damaged, and `tooLong` where they unpack to too many. */
function inflated (inflate: () => Buffer, tooLong: ImportReasonCode): Buffer | ImportReasonCode {
  try {
    return inflate()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') return tooLong
    if (code?.startsWith('Z_') === true) return 'MEMBER_DAMAGED'
    throw error
  }
}
