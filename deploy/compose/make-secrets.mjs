// Makes what docker-compose.yml keeps secret, once, into the folder that is named: node make-secrets.mjs <folder>
// A secret that is there already is left alone, so that `docker compose up` may be given any number of times.
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2]
if (!folder) {
  console.error('usage: node make-secrets.mjs <folder>')
  process.exit(64)
}

// The users that the images run as: each can read its own secrets and nobody else's.
const SERVICE = 1000
const POSTGRES = 999
const PROMETHEUS = 65534
const GRAFANA = 472

/** What the secret `name` holds: what it held before, else what `make` gives. */
function keep (name, make, owner) {
  const path = join(folder, name)
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const value = make()
  // Written aside and renamed: a start that was cut short leaves no half of a secret behind.
  writeFileSync(`${path}.new`, value, { mode: 0o400 })
  chmodSync(`${path}.new`, 0o400)
  if (process.getuid() === 0) chownSync(`${path}.new`, owner, owner)
  renameSync(`${path}.new`, path)
  console.log(`made ${name}`)
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
