import { Type, type Static } from '@sinclair/typebox'
import { IMPORT_REASONS } from '../src/domain/import-reasons.ts'
import { Id, Moment, PageQuery, nullable, page } from './common.ts'

const count = (description: string, example: number) => Type.Integer({ minimum: 0, description, examples: [example] })

/** An import of many files. */
export const BulkImport = Type.Object({
  id: Id,
  status: Type.String({
    enum: ['queued', 'running', 'done', 'failed', 'reverted'],
    description:
      '`done`: every file was read, whatever became of it. `failed`: it was given up, for the reason in `reason`; what ' +
      'was imported before stays. `reverted`: it was taken back'
  }),
  allow_duplicate: Type.Boolean({ description: 'Whether activities that are there already are imported again' }),
  reason: nullable(Type.String({ description: 'Why the import failed as a whole' })),
  files_total: count('Files known of so far: those in a ZIP count when it is opened', 412),
  imported: count('Files that became activities', 398),
  duplicates: count('Files of activities that were there already', 9),
  skipped: count('Files that are no recordings', 4),
  failed: count('Files that could not be read', 1),
  created_at: Moment,
  finished_at: nullable(Moment)
}, { title: 'Import' })
export type BulkImport = Static<typeof BulkImport>

/** The response to an upload. */
export const AcceptedImport = Type.Object({ import: BulkImport }, { title: 'AcceptedImport' })

/** What became of a file. */
export const ImportedFile = Type.Object({
  name: Type.String({ description: 'Its path in the archive, or its name', examples: ['activities/8412345678.fit.gz'] }),
  status: Type.String({ enum: ['imported', 'duplicate', 'skipped', 'failed'] }),
  reason: nullable(Type.String({
    description: 'Why it was not imported', examples: ['The same activity is there already, with 100 % of this recording']
  })),
  reason_code: nullable(Type.String({
    enum: Object.keys(IMPORT_REASONS),
    description: 'The same for programs; null where it was imported, or reported before there were codes'
  })),
  activity_id: nullable(Type.Unsafe<string>({
    ...Id, description: 'The activity that it became or is a duplicate of; null if there is none, or none any more'
  }))
}, { title: 'ImportedFile' })
export type ImportedFile = Static<typeof ImportedFile>

export const BulkImportQuery = Type.Object({
  allow_duplicate: Type.Boolean({
    default: false,
    description: 'Import activities even if they were already imported from different files'
  })
}, { additionalProperties: false })

/** What an `EventSource` that connects again had last. */
export const LastEventId = Type.Object({
  'last-event-id': Type.Optional(Type.String({
    pattern: '^\\d{1,9}$', description: 'The id of the last `file` event that the client has'
  }))
})

export const ImportParams = Type.Object({ import_id: Id })
export const ImportPage = page(BulkImport)
export const ImportListQuery = Type.Object(PageQuery, { additionalProperties: false })
export const ImportedFilePage = page(ImportedFile)
