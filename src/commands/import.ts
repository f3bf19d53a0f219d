import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { importTarget } from '../config/read.ts'
import { EXIT, UsageError, printable } from './command.ts'
import type { Command } from './command.ts'
import {
  checkToken, findImport, importedFiles, Refused, Unreachable, upload, type BulkImport, type Service
} from './imports/client.ts'
import { formOf } from './imports/form.ts'
import { progressOn, type Progress, type Screen } from './imports/progress.ts'
import { keyOf, selectFiles, UnreadablePath, type Selection } from './imports/selection.ts'

/** From one look at the import to the next. */
const LOOK_MS = 1000
/** An import that was taken back is begun anew under the next key; so many at most. */
const MAX_ROUNDS = 20

interface Options {
  service: Service
  allowDuplicate: boolean
  /** Says nothing of files that were imported. */
  quiet: boolean
  print: (text: string) => void
  progress: Progress
}

/** The command `import`, which shows its progress on a screen. */
export function importTo (screen: Screen): Command {
  return {
    usage: '[--url URL] [--token TOKEN] [--allow-duplicate] [--quiet] FILE|FOLDER|ZIP… | --resume IMPORT_ID',
    summary: 'Sends recordings, folders or exports of Strava and Garmin to a service, and says what became of each file.',
    async run (args, print) {
      const { values, positionals } = parseArgs({
        args,
        options: {
          url: { type: 'string' },
          token: { type: 'string' },
          resume: { type: 'string' },
          'allow-duplicate': { type: 'boolean' },
          quiet: { type: 'boolean' }
        },
        allowPositionals: true
      })
      if ((values.resume === undefined) === (positionals.length === 0)) {
        throw new UsageError('Name the files, folders or ZIP archives to import, or an import with --resume.')
      }
      const target = importTarget()
      const token = values.token ?? target.token
      if (token === undefined) {
        throw new UsageError('Set RUNNING_TRAINER_TOKEN to an API key with the scope write, or give it with --token.')
      }
      const controller = new AbortController()
      const stop = () => controller.abort()
      process.once('SIGINT', stop)
      const options: Options = {
        service: { url: addressOf(values.url ?? target.url), token, signal: controller.signal },
        allowDuplicate: values['allow-duplicate'] === true,
        quiet: values.quiet === true,
        print: (text) => print(printable(text)),
        progress: progressOn(screen)
      }
      const work = values.resume === undefined ? send(options, positionals) : follow(options, values.resume)
      return await work.catch((error: unknown) => failed(options, error)).finally(() => process.off('SIGINT', stop))
    }
  }
}

function addressOf (text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError('URL is the address of the service, for example https://trainer.example.org.')
  }
  return url
}

async function send (options: Options, paths: string[]): Promise<number> {
  const { service, allowDuplicate, print, progress } = options
  const selection = await selectFiles(paths)
  const files = selection.parts.reduce((sum, part) => sum + part.files.length, 0)
  if (files === 0) {
    print('There is nothing to import: no FIT, GPX or TCX file and no ZIP archive.')
    return EXIT.noInput
  }
  await checkToken(service)
  print(`Sending ${files} ${files === 1 ? 'file' : 'files'} (${mebibytes(selection.sizeBytes)})` +
    (selection.left > 0 ? `; ${selection.left} that are no recordings are left out` : ''))
  const reading = counting(progress, 'Reading', selection)
  const key = await keyOf(selection, allowDuplicate ? 'allow duplicates' : '', reading)
  const begun = await begin(options, selection, key)
  progress.clear()
  return await follow(options, begun.id)
}

/** The import of that key. One that was taken back is over: the same files are sent as another one. */
async function begin (
  { service, allowDuplicate, progress }: Options,
  selection: Selection,
  key: string
): Promise<BulkImport> {
  for (let round = 1; ; round++) {
    const sending = counting(progress, 'Sending', selection)
    const form = formOf(selection.parts, `running-trainer-${key.slice(0, 32)}`, sending)
    const answered = await upload(service, { form, key, allowDuplicate })
    const now = await findImport(service, answered.id)
    if ((now.status !== 'reverted' && now.status !== 'failed') || round === MAX_ROUNDS) return now
    key = createHash('sha256').update(`${key} after ${now.id}`).digest('hex')
  }
}

/** Waits for the end of an import, and says what became of each file. */
async function follow (options: Options, id: string): Promise<number> {
  const { service, print, progress } = options
  print(`Import ${id}`)
  try {
    for (;;) {
      const now = await findImport(service, id)
      if (now.status !== 'queued' && now.status !== 'running') {
        progress.clear()
        return await report(options, now)
      }
      const done = now.imported + now.duplicates + now.skipped + now.failed
      progress.show(now.status === 'queued' ? 'Waiting' : 'Importing', done, Math.max(now.files_total, 1))
      await pause(LOOK_MS, undefined, { signal: service.signal })
    }
  } catch (error) {
    throw new Interrupted(id, error)
  }
}

async function report ({ service, print, quiet }: Options, now: BulkImport): Promise<number> {
  for await (const { name, status, reason } of importedFiles(service, now.id)) {
    if (quiet && status === 'imported') continue
    print(`  ${status.padEnd(9)}  ${name}${reason === null ? '' : `: ${reason}`}`)
  }
  print(`${now.imported} imported, ${now.duplicates} duplicates, ${now.skipped} skipped, ${now.failed} failed`)
  if (now.status === 'done') return now.failed > 0 ? EXIT.failed : EXIT.ok
  print(now.status === 'reverted' ? 'The import was taken back.' : `The import failed: ${now.reason ?? 'no reason given'}`)
  return EXIT.failed
}

/** The import goes on without this command. */
class Interrupted extends Error {
  readonly id: string

  constructor (id: string, cause: unknown) {
    super('', { cause })
    this.id = id
  }
}

function failed ({ service, print, progress }: Options, error: unknown): number {
  progress.clear()
  const cause = error instanceof Interrupted ? error.cause : error
  const code = exitCodeOf(service.signal.aborted ? undefined : cause)
  if (code === undefined) throw error
  if (service.signal.aborted) print('Stopped.')
  else if (cause instanceof Refused && cause.status === 401) print('The token is not valid, or has expired: use an API key.')
  else print((cause as Error).message)
  if (cause instanceof Refused && [404, 422].includes(cause.status)) return code
  print(error instanceof Interrupted
    ? `The import goes on without this command. To see the rest: npm run import -- --resume ${error.id}`
    : 'Nothing was imported. The same command begins again where that is possible.')
  return code
}

function exitCodeOf (error: unknown): number | undefined {
  if (error === undefined) return EXIT.interrupted
  if (error instanceof Unreachable) return EXIT.unavailable
  if (error instanceof UnreadablePath) return EXIT.noInput
  if (error instanceof Refused) return [401, 403].includes(error.status) ? EXIT.noPermission : EXIT.failed
  return undefined
}

function counting (progress: Progress, what: string, { sizeBytes }: Selection): (bytes: number) => void {
  let done = 0
  return (bytes) => {
    done += bytes
    progress.show(what, done, sizeBytes)
  }
}

function mebibytes (bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
