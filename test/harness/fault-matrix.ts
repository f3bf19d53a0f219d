/** The endpoints that are requested during a fault. */
export const ENDPOINTS = ['read', 'list', 'write', 'import', 'live', 'ready', 'health', 'metrics'] as const
export type Endpoint = typeof ENDPOINTS[number]

/** `STATUS`, `STATUS error_code`, or for a probe `STATUS status`; ` or ` separates two that are both correct. */
export type Outcomes = Record<Endpoint, string>

export interface Fault {
  name: string
  /** How the test causes it. */
  how: string
  during: Outcomes
  /** The service reaches Postgres through PgBouncer in transaction mode. */
  pooled?: true
}

const FINE: Outcomes = {
  read: '200',
  list: '200',
  write: '201',
  import: '201',
  live: '200 alive',
  ready: '200 ready',
  health: '200 healthy',
  metrics: '200'
}
const UNUSABLE = '503 DATABASE_ERROR'
const NO_DATA = { read: UNUSABLE, list: UNUSABLE, write: UNUSABLE, import: UNUSABLE }
const NO_DATABASE: Outcomes = { ...FINE, ...NO_DATA, ready: '503 not_ready', health: '503 unhealthy' }
const NO_LOG_FILE: Outcomes = { ...FINE, health: '200 degraded' }

/**
 * Every fault, and the responses of the service during it. The table in docs/RELIABILITY.md is generated from this;
 * faults.test.ts causes each.
 */
export const FAULTS = [
  {
    name: 'connections cut while idle',
    how: '`pg_terminate_backend` of every connection of the service',
    during: FINE
  },
  {
    name: 'connections cut while they work',
    how: '`pg_terminate_backend` of statements that wait for a lock on `plans`',
    during: { ...FINE, write: UNUSABLE }
  },
  {
    name: 'connection cut in a transaction',
    how: '`pg_terminate_backend` of an import that waits, half done, for a lock on `activities`',
    during: { ...FINE, import: UNUSABLE }
  },
  {
    name: 'Postgres stopped and started',
    how: 'fast shutdown of the postmaster; connections are refused until it is back',
    during: NO_DATABASE
  },
  { name: 'database frozen', how: 'the network holds back every byte until the end of the fault', during: NO_DATABASE },
  { name: 'database behind a black hole', how: 'the network drops every byte', during: NO_DATABASE },
  {
    name: 'connections reset in the middle of a result',
    how: 'the network forwards 20 bytes from Postgres, then resets the connection',
    during: NO_DATABASE
  },
  { name: 'slow network', how: '300 ms from each statement to its result', during: FINE },
  {
    name: 'no connection left',
    how: 'Postgres has cut the connections of the service and refuses new ones (53300)',
    during: NO_DATABASE
  },
  {
    name: 'read-only database',
    how: '`default_transaction_read_only`, as on a standby',
    during: { ...FINE, write: UNUSABLE, import: UNUSABLE }
  },
  { name: 'pool exhausted', how: 'all connections of the service wait for a lock', during: { ...FINE, ...NO_DATA } },
  { name: 'disk full', how: 'no space left on the file system of `LOG_DIR`', during: NO_LOG_FILE },
  { name: 'log directory gone', how: '`LOG_DIR` replaced by a file', during: NO_LOG_FILE },
  {
    name: 'event loop blocked',
    how: 'the process stopped for 1.5 s (SIGSTOP); responses follow when it continues',
    during: { ...FINE, health: '200 healthy or 200 degraded' }
  },
  {
    name: 'PgBouncer: connections cut while idle',
    how: '`pg_terminate_backend` of every connection of PgBouncer',
    during: FINE,
    pooled: true
  },
  { name: 'PgBouncer gone', how: 'PgBouncer stopped, later started again', during: NO_DATABASE, pooled: true }
] as const satisfies Fault[]
export type FaultName = typeof FAULTS[number]['name']

/**
 * Faults of a primary and its standby, both named in `DATABASE_URL`. The table in docs/RELIABILITY.md is generated from
 * this, too; failover.test.ts causes each.
 */
export const FAILOVERS = [
  {
    name: 'synchronous standby lost',
    how: 'replication held back; commits wait until they are cancelled at their deadline',
    during: { ...FINE, write: UNUSABLE, import: UNUSABLE, health: '200 degraded' }
  },
  {
    name: 'primary fenced',
    how: '`default_transaction_read_only` on the primary, and the standby not promoted yet',
    during: NO_DATABASE
  },
  {
    name: 'address moved',
    how: 'every open connection is reset when it is used; new ones lead to a server that works',
    during: FINE
  },
  {
    name: 'primary lost',
    how: 'the primary refuses connections, and the standby is not promoted yet',
    during: NO_DATABASE
  }
] as const satisfies Fault[]
export type FailoverName = typeof FAILOVERS[number]['name']

/** The state after every fault, without intervention. */
export const AFTERWARDS = [
  'within 2 s the service is ready, and every endpoint responds as before',
  'the process has not been restarted, and had no uncaught exception and no unhandled rejection',
  'every 201 has exactly one row; a write that got an error response was applied once or not at all, an import completely or not at all',
  'no connection of the pool is busy, no statement waits for one, and no statement or open transaction is left on the server',
  '`http_requests_in_flight` counts only the request for `/metrics` itself',
  'each request has one completion line on standard output'
]

const HEADINGS: Record<Endpoint, string> = {
  read: '`GET /plans/:id`',
  list: '`GET /plans`',
  write: '`POST /plans`',
  import: '`POST /activities/import`',
  live: '`/health/live`',
  ready: '`/health/ready`',
  health: '`/health`',
  metrics: '`/metrics`'
}

function table (faults: readonly Fault[]): string[] {
  const rows = faults.map(
    ({ name, how, during }) => `| **${name}**: ${how} | ${ENDPOINTS.map((endpoint) => during[endpoint]).join(' | ')} |`
  )
  return [
    `| fault | ${ENDPOINTS.map((endpoint) => HEADINGS[endpoint]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(ENDPOINTS.length)}`,
    ...rows
  ]
}

/** The part of docs/RELIABILITY.md that is generated from the data above, in Markdown. */
export function describeFaults (): string {
  return [
    ...table(FAULTS),
    '',
    'With a primary and a standby, both named in `DATABASE_URL`:',
    '',
    ...table(FAILOVERS),
    '',
    'After each fault, without intervention:',
    '',
    ...AFTERWARDS.map((truth) => `- ${truth}`)
  ].join('\n')
}
