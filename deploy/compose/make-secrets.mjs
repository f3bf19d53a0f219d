// Generates the secrets of docker-compose.yml in a directory: node make-secrets.mjs <directory>
// An existing secret is kept, so that `docker compose up` can be repeated.
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2]
if (!folder) {
  console.error('usage: node make-secrets.mjs <directory>')
  process.exit(64)
}

// The users of the images: each can read only its own secrets.
const SERVICE = 1000
const POSTGRES = 999
const PROMETHEUS = 65534
const GRAFANA = 472

/** The value of the secret `name`: the existing one, otherwise a new one from `make`. */
function keep (name, make, owner) {
  const path = join(folder, name)
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const value = make()
  // Written to a temporary file and renamed: an interrupted start leaves no partial secret behind.
  writeFileSync(`${path}.new`, value, { mode: 0o400 })
  chmodSync(`${path}.new`, 0o400)
  if (process.getuid() === 0) chownSync(`${path}.new`, owner, owner)
  renameSync(`${path}.new`, path)
  console.log(`created ${name}`)
  return value
}

const random = () => randomBytes(32).toString('base64url')

mkdirSync(folder, { recursive: true, mode: 0o755 })
const password = keep('postgres-password', random, POSTGRES)
keep('database-url', () => `postgresql://running_trainer:${password}@postgres:5432/running_trainer`, SERVICE)
keep('jwt-secret', random, SERVICE)
const token = keep('metrics-token', random, SERVICE)
keep('prometheus-token', () => token, PROMETHEUS)
keep('grafana-admin-password', random, GRAFANA)
