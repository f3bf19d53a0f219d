import { Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import { blocksOf, type SentFile, type SentPart } from './selection.ts'

/** The form that is sent, and what is known of it before. */
export interface Form {
  contentType: string
  /** Undefined where a folder is packed on the way. */
  contentLength: number | undefined
  body (): AsyncGenerator<Buffer>
}

/** Packs as these are: others are packed already. */
const TEXT = /\.(gpx|tcx|csv|json)$/i
/** The same folder gives the same bytes whenever it is packed. */
const PACKED = { mtime: new Date(Date.UTC(2000, 0, 1)), mode: 0o100644 }

/** A `multipart/form-data` body of the parts, read from disk while it is sent. */
export function formOf (parts: readonly SentPart[], boundary: string, onSent: (bytes: number) => void): Form {
  const heads = parts.map(({ name }) => Buffer.from([
    `--${boundary}`,
    `Content-Disposition: form-data; name="files"; filename="${quoted(name)}"`,
    'Content-Type: application/octet-stream',
    '\r\n'
  ].join('\r\n')))
  const [gap, end] = [Buffer.from('\r\n'), Buffer.from(`--${boundary}--\r\n`)]
  const sizes = parts.map(({ folder, files }, i) =>
    folder ? Number.NaN : heads[i]!.length + files[0]!.sizeBytes + gap.length)
  const length = sizes.reduce((sum, size) => sum + size, end.length)
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: Number.isNaN(length) ? undefined : length,
    async * body () {
      for (const [i, part] of parts.entries()) {
        yield heads[i]!
        yield * part.folder ? zipOf(part.files, onSent) : counted(part.files[0]!, onSent)
        yield gap
      }
      yield end
    }
  }
}

/** A quoted string, as MIME has it. */
function quoted (name: string): string {
  return name.replaceAll(/["\\]/g, '\\$&').replaceAll(/[\r\n]/g, ' ')
}

async function * counted ({ path }: SentFile, onSent: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of blocksOf(path)) {
    onSent(chunk.length)
    yield chunk
  }
}

async function * zipOf (files: readonly SentFile[], onSent: (bytes: number) => void): AsyncGenerator<Buffer> {
  const zip = new ZipFile()
  const output = zip.outputStream
  zip.on('error', (error) => output.destroy(error))
  for (const file of files) {
    zip.addReadStreamLazy(file.name, { ...PACKED, compress: TEXT.test(file.name) }, (take) => {
      const bytes = Readable.from(counted(file, onSent), { objectMode: false })
      bytes.on('error', (error) => output.destroy(error))
      take(null, bytes)
    })
  }
  zip.end()
  yield * output as AsyncIterable<Buffer>
}
