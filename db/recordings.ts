import { CHUNK_BYTES, unpackChunk } from '../src/uploads/chunks.ts'
import { largeBytes, type Sql } from './sql.ts'

export interface NewRecording {
  recording_id: string
  format: string
  sha256: Buffer
  size_bytes: number
  file_name: string | null
}

export interface OriginalRow {
  recording_id: string
  format: string
  file_name: string | null
  size_bytes: number
  sha256: string
}

/** Stores what a recording is called; its bytes follow, chunk by chunk. The same bytes twice are a unique violation. */
export async function insertRecording (sql: Sql, userId: string, recording: NewRecording): Promise<void> {
  await sql`/* insertRecording */
    insert into recordings (user_id, recording_id, format, sha256, size_bytes, file_name)
    values (${userId}, ${recording.recording_id}, ${recording.format}, ${recording.sha256}, ${recording.size_bytes}, ${recording.file_name})
  `
}

/**
 * Stores the chunks of a recording in order, as {@link packChunks} makes them: all of them, or it throws. To be called
 * in a transaction. A chunk's memory is no longer used when the next chunk is asked for.
 */
export async function insertChunks (
  sql: Sql,
  userId: string,
  { recording_id, size_bytes }: { recording_id: string; size_bytes: number },
  chunks: AsyncIterable<Uint8Array>
): Promise<void> {
  let position = 0
  // One chunk a statement: each has the whole query timeout, and no more than one is in memory as text.
  for await (const gzip of chunks) {
    await sql`/* insertChunk */
      insert into recording_chunks (user_id, recording_id, position, gzip)
      values (${userId}, ${recording_id}, ${position++}, ${largeBytes(gzip)})
    `
  }
  if (position !== Math.ceil(size_bytes / CHUNK_BYTES)) {
    throw new Error(`Of recording ${recording_id}, ${size_bytes} bytes, there are ${position} chunks`)
  }
}

export async function findRecordingByBytes (sql: Sql, userId: string, sha256: Buffer): Promise<string | undefined> {
  const [row] = await sql<{ recording_id: string }>`/* findRecordingByBytes */
    select recording_id from recordings where user_id = ${userId} and sha256 = ${sha256}
  `
  return row?.recording_id
}

/** What an activity was made from; undefined where it was entered by hand, or is not there. */
export async function findOriginal (sql: Sql, userId: string, activityId: string): Promise<OriginalRow | undefined> {
  const [row] = await sql<OriginalRow>`/* findOriginal */
    select r.recording_id, r.format, r.file_name, r.size_bytes, encode(r.sha256, 'hex') as sha256
    from activities a
    join recordings r on r.user_id = a.user_id and r.recording_id = a.recording_id
    where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return row
}

/** The plain bytes of a chunk. */
export async function findChunk (
  sql: Sql,
  userId: string,
  recordingId: string,
  position: number
): Promise<Buffer | undefined> {
  const [row] = await sql<{ gzip: Buffer }>`/* findChunk */
    select gzip from recording_chunks where user_id = ${userId} and recording_id = ${recordingId} and position = ${position}
  `
  return row === undefined ? undefined : await unpackChunk(row.gzip)
}

/** The pieces of an original one after the other: never more than one in memory. */
export async function * readRecording (
  sql: Sql,
  userId: string,
  { recording_id, size_bytes }: { recording_id: string; size_bytes: number }
): AsyncGenerator<Buffer> {
  for (let position = 0; position * CHUNK_BYTES < size_bytes; position++) {
    const chunk = await findChunk(sql, userId, recording_id, position)
    if (chunk === undefined) throw new Error(`Piece ${position} of recording ${recording_id} is not there`)
    yield chunk
  }
}
