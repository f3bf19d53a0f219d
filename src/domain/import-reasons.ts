/**
 * Why a file of a bulk import did not become an activity. `duplicate`: its activity is there; `skipped`: it is no
 * recording; `failed`: it may be one and cannot be used. The closed list of codes; documented in `docs/IMPORTS.md`,
 * which a test compares with this list. What is known of a file more exactly is told instead of `reason`.
 */
export const IMPORT_REASONS = {
  SAME_FILE: { status: 'duplicate', reason: 'The same file was imported before.' },
  SAME_ACTIVITY: { status: 'duplicate', reason: 'The same activity is there already.' },
  RECORDED_BETTER: { status: 'duplicate', reason: 'The same activity was recorded better in another file of the import.' },
  NOT_A_RECORDING: { status: 'skipped', reason: 'The file is not a FIT, GPX or TCX recording.' },
  SYSTEM_FILE: { status: 'skipped', reason: 'The file was added by an operating system and is not a recording.' },
  EMPTY_FILE: { status: 'skipped', reason: 'The file is empty.' },
  NESTED_TOO_DEEP: { status: 'skipped', reason: 'The file is a ZIP archive in a ZIP archive in a ZIP archive. Only one level is opened.' },
  NOT_A_FILE: { status: 'failed', reason: 'The entry is a symbolic link or another special file.' },
  UNSAFE_PATH: { status: 'failed', reason: 'The path is absolute or leads out of the archive.' },
  ENCRYPTED: { status: 'failed', reason: 'The file is encrypted. Unpack the archive with its password, and send the files.' },
  TOO_LARGE: { status: 'failed', reason: 'A recording is 32 MiB at the most.' },
  COMPRESSION_UNSUPPORTED: { status: 'failed', reason: 'The file is compressed by a method other than Deflate.' },
  SUSPICIOUS_RATIO: { status: 'failed', reason: 'The file unpacks to far more bytes than recordings do.' },
  MEMBER_DAMAGED: { status: 'failed', reason: 'The file is damaged or cut off.' },
  ARCHIVE_DAMAGED: { status: 'failed', reason: 'The ZIP archive is damaged or cut off.' },
  ARCHIVE_OVERLAPPING: { status: 'failed', reason: 'Files of the ZIP archive share bytes, as in a ZIP bomb.' },
  TOO_MANY_MEMBERS: { status: 'failed', reason: 'The ZIP archive has more than 50,000 files. Send it in parts.' },
  UNREADABLE: { status: 'failed', reason: 'The recording cannot be read.' },
  NOT_STORABLE: { status: 'failed', reason: 'The file has values that cannot be stored.' },
  FAILED_REPEATEDLY: { status: 'failed', reason: 'Reading this file has failed repeatedly.' }
} as const satisfies Record<string, { status: 'duplicate' | 'skipped' | 'failed', reason: string }>

export type ImportReasonCode = keyof typeof IMPORT_REASONS

/** Why a file did not become an activity. */
export interface Refusal {
  code: ImportReasonCode
  status: 'duplicate' | 'skipped' | 'failed'
  /** A sentence for the runner. */
  reason: string
}

/** `reason`: what is known more exactly. */
export function refusal (code: ImportReasonCode, reason: string = IMPORT_REASONS[code].reason): Refusal {
  return { code, status: IMPORT_REASONS[code].status, reason }
}
