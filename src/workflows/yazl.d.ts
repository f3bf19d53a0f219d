declare module 'yazl' {
  import type { EventEmitter } from 'node:events'
  import type { Readable } from 'node:stream'

  /** Writes a ZIP as it is read: entries go out in the order they were added. */
  export class ZipFile extends EventEmitter {
    readonly outputStream: Readable
    addReadStream (stream: Readable, name: string): void
    end (): void
  }
}
