/** pino-roll has no types: these cover the parts of it, and of the SonicBoom it returns, that rolling-file.ts uses. */
declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events'

  export interface RollingStream extends EventEmitter {
    /** Its open file. */
    fd: number
    /** The name that pino-roll assumes for its file. */
    file: string | null
    readonly destroyed: boolean
    write (chunk: Uint8Array): boolean
    reopen (file?: string): void
    /** Closes the file. */
    destroy (): void
  }

  export interface RollOptions {
    file: string
    /** A number and `k`, `m`, `g` or `b`. */
    size?: string
    /** SonicBoom's: writes to this open file instead of opening one. */
    fd?: number
    sync?: boolean
    contentMode?: 'buffer' | 'utf8'
    retryEAGAIN?: () => boolean
  }

  export default function pinoRoll (options: RollOptions): Promise<RollingStream>
}
