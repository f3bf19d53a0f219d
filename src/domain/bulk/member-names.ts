import type { ImportReasonCode } from '../import-reasons.ts'

/** What a file in an archive is, as its name tells. */
export type MemberKind = 'recording' | 'zip' | 'other'

const RECORDING = /\.(fit|gpx|tcx)(\.gz)?$/i
const ZIP = /\.zip$/i
const MAX_PATH = 255
/** What operating systems put beside the files of a folder. */
const SYSTEM_NAMES = new Set(['thumbs.db', 'desktop.ini', 'icon\r'])

export function memberKind (path: string): MemberKind {
  if (RECORDING.test(path)) return 'recording'
  return ZIP.test(path) ? 'zip' : 'other'
}

/** Whether a file was added by macOS or Windows: `__MACOSX/._run.fit` is named like a recording and is none. */
export function isSystemFile (path: string): boolean {
  const parts = path.split('/')
  const name = parts.at(-1)!
  return parts.includes('__MACOSX') || name.startsWith('.') || SYSTEM_NAMES.has(name.toLowerCase())
}

/** What is wrong with a path in an archive. None is used on a disk; one that leads elsewhere is hostile. */
export function pathProblem (path: string): ImportReasonCode | undefined {
  const absolute = /^([/\\]|[a-z]:)/i.test(path)
  const upwards = path.split(/[/\\]/).includes('..')
  return absolute || upwards || path.includes('\0') ? 'UNSAFE_PATH' : undefined
}

/** A path to show: no control characters and no halves of a character; of a long one, the end. */
export function shownPath (path: string): string {
  const clean = path.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\ufffd')
  const characters = Array.from(clean)
  const shown = characters.length <= MAX_PATH ? clean : `…${characters.slice(1 - MAX_PATH).join('')}`
  return shown === '' ? '\ufffd' : shown
}

/** The name of the file itself, without folders and `.gz`. */
export function plainName (path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return name.length > 3 ? name.replace(/\.gz$/i, '') : name
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The encoding of a name in an archive that does not say it: UTF-8 where it can be, else CP437, as ZIP has it. */
export function nameEncoding (bytes: Uint8Array): 'utf-8' | 'cp437' {
  try {
    utf8.decode(bytes)
    return 'utf-8'
  } catch {
    return 'cp437'
  }
}
