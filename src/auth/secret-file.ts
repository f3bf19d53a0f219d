import { randomBytes, randomUUID } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../log/directory.ts'

const NAME = 'jwt-secret'

/** Random bytes in a secret, which is stored in base64url. */
const SECRET_BYTES = 48

/**
 * The secret that signs tokens if `JWT_SECRET` is not set: created once in `dataDir`, readable by its owner only, and
 * the same for all processes, also for those that start at the same moment.
 *
 * Throws if the folder is not writable, or if the file does not hold a secret.
 */
export async function loadOrMakeSecret (dataDir: string): Promise<string> {
  const path = join(dataDir, NAME)
  return await load(path) ?? await make(dataDir, path)
}

async function load (path: string): Promise<string | undefined> {
  let secret: string
  try {
    secret = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  if (Buffer.byteLength(secret) >= 32) return secret
  throw new Error(
    `${path} holds no secret; delete it, and a new one is made (all users must then sign in again)`
  )
}

/** Creates the file by a link, which is atomic: one of several processes creates it, the others find it. */
async function make (dataDir: string, path: string): Promise<string> {
  makeDirectory(dataDir)
  const draft = join(dataDir, `.${NAME}-${randomUUID()}`)
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(SECRET_BYTES).toString('base64url')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(draft, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  const secret = await load(path)
  if (secret === undefined) throw new Error(`${path} was taken away while it was being made`)
  return secret
}

function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
