declare module 'yazl' {
  import type { EventEmitter } from 'node:events'
  import type { Readable } from 'node:stream'

  export interface EntryOptions {
    mtime?: Date
    mode?: number
    compress?: boolean
  }

  /** Writes a ZIP as it is read: entries go out in the order they were added. */
  export class ZipFile extends EventEmitter {
    readonly outputStream: Readable
    addReadStream (stream: Readable, name: string): void
    /** The stream is asked for when its entry is written; its errors are the caller's. */
    addReadStreamLazy (
      name: string,
      options: EntryOptions,
      get: (take: (error: Error | null, stream: Readable) => void) => void
    ): void
    end (): void
  }
}
