import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'

/** A file on disk that is sent. */
export interface SentFile {
  path: string
  /** The name that it is sent by: in a folder, the path from there with `/`. */
  name: string
  sizeBytes: number
}

/** One file of the form: a file as it is, or a folder as a ZIP archive. */
export interface SentPart {
  name: string
  /** The files of a folder; undefined: one file as it is. */
  folder: boolean
  files: SentFile[]
}

export interface Selection {
  parts: SentPart[]
  sizeBytes: number
  /** How many files of folders are no recordings and are not sent. */
  left: number
}

/** A path that cannot be read. */
export class UnreadablePath extends Error {
  constructor (path: string, cause: unknown) {
    super(`${path} cannot be read (${String((cause as NodeJS.ErrnoException).code ?? cause)})`, { cause })
  }
}

/** What is sent of a folder: recordings, ZIP archives, and the tables of exports. */
const SENT = /\.(fit|gpx|tcx)(\.gz)?$|\.zip$|(^|\/)activities\.csv$|_summarizedActivities\.json$/i

/**
 * What is sent of files, folders and ZIP archives. What stands below a symbolic link in a folder is not.
 * @throws UnreadablePath
 */
export async function selectFiles (paths: readonly string[]): Promise<Selection> {
  const selection: Selection = { parts: [], sizeBytes: 0, left: 0 }
  for (const path of paths) {
    const found = await reading(path, stat(path))
    if (found.isDirectory()) await selectFolder(path, selection)
    else selection.parts.push(filePart(path, found.size))
  }
  for (const { files } of selection.parts) for (const { sizeBytes } of files) selection.sizeBytes += sizeBytes
  return selection
}

function filePart (path: string, sizeBytes: number): SentPart {
  const name = basename(path)
  return { name, folder: false, files: [{ path, name, sizeBytes }] }
}

async function selectFolder (folder: string, selection: Selection): Promise<void> {
  const files: SentFile[] = []
  const entries = await reading(folder, readdir(folder, { withFileTypes: true, recursive: true }))
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path).split(sep).join('/')
    if (!entry.isFile()) continue
    if (SENT.test(name) && !entry.name.startsWith('.')) {
      files.push({ path, name, sizeBytes: (await reading(path, stat(path))).size })
    } else {
      selection.left++
    }
  }
  if (files.length === 0) return
  // The same folder has the same order on each system: the key depends on it.
  files.sort((a, b) => (a.name < b.name ? -1 : 1))
  selection.parts.push({ name: `${basename(join(folder, '.')).replace(/^\.+$/, 'folder') || 'folder'}.zip`, folder: true, files })
}

/**
 * The key of a selection: the same names with the same contents have the same one, so that sending them again goes on
 * with the same import.
 * @throws UnreadablePath
 */
export async function keyOf ({ parts }: Selection, options: string, onRead: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256').update(options)
  for (const { name, folder, files } of parts) {
    hash.update(`\0${folder ? 'folder' : 'file'}\0${name}`)
    for (const { path, name } of files) {
      const contents = createHash('sha256')
      for await (const chunk of blocksOf(path)) {
        contents.update(chunk)
        onRead(chunk.length)
      }
      hash.update(`\0${name}\0`).update(contents.digest())
    }
  }
  return hash.digest('hex')
}

/** @throws UnreadablePath */
export async function * blocksOf (path: string): AsyncGenerator<Buffer> {
  try {
    yield * createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
  } catch (error) {
    throw new UnreadablePath(path, error)
  }
}

async function reading<Answer> (path: string, work: Promise<Answer>): Promise<Answer> {
  return await work.catch((error: unknown) => {
    throw new UnreadablePath(path, error)
  })
}
