/** What is asked while a fault lasts. */
export const ENDPOINTS = ['read', 'list', 'write', 'import', 'live', 'ready', 'health', 'metrics'] as const
export type Endpoint = typeof ENDPOINTS[number]

/** `STATUS`, `STATUS error_code`, or for a probe `STATUS status`; ` or ` between two that are both right. */
export type Outcomes = Record<Endpoint, string>

export interface Fault {
  name: string
  /** How it is caused in the test. */
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
 * Every fault, and what the service answers while it lasts. The table in docs/RELIABILITY.md is made of this;
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
    during: { ...FINE, read: UNUSABLE, list: UNUSABLE, write: UNUSABLE }
  },
  {
    name: 'connection cut in a transaction',
    how: '`pg_terminate_backend` of an import that waits, half done, for a lock on `activities`',
    during: { ...FINE, import: UNUSABLE }
  },
  {
    name: 'Postgres stopped and started',
    how: 'fast shutdown of the postmaster; nobody listens until it is back',
    during: NO_DATABASE
  },
  { name: 'database frozen', how: 'the network holds back every byte until it is over', during: NO_DATABASE },
  { name: 'database behind a black hole', how: 'the network drops every byte for good', during: NO_DATABASE },
  {
    name: 'connections reset in the middle of a result',
    how: 'the network passes on 20 bytes of what Postgres says, then resets',
    during: NO_DATABASE
  },
  { name: 'slow network', how: '300 ms from each statement to its answer', during: FINE },
  {
    name: 'no connection left',
    how: 'Postgres refuses new connections of the service (53300), and has cut the old ones',
    during: NO_DATABASE
  },
  {
    name: 'read-only database',
    how: '`default_transaction_read_only`, as on a standby',
    during: { ...FINE, write: UNUSABLE, import: UNUSABLE }
  },
  { name: 'pool exhausted', how: 'all connections of the service wait for a lock', during: { ...FINE, ...NO_DATA } },
  { name: 'disk full', how: 'the file system of `LOG_DIR` has no room left', during: NO_LOG_FILE },
  { name: 'log directory gone', how: '`LOG_DIR` removed, and a file in its place', during: NO_LOG_FILE },
  {
    name: 'event loop blocked',
    how: 'the process stopped for 1.5 s (SIGSTOP); answers come when it goes on',
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

/** What is true after every fault, without anybody doing anything. */
export const AFTERWARDS = [
  'within 2 s of its end the service is ready and every endpoint answers as before it',
  'the process is the same one, with no uncaught exception and no unhandled rejection',
  'every 201 is one row, and nothing is there twice; whatever was answered with an error is there once or not at all, an import whole or not at all',
  'no connection of the pool is busy and nothing waits for one; no statement and no open transaction is left on the server',
  '`http_requests_in_flight` counts the request that asks for it and no other',
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

/** The part of docs/RELIABILITY.md that is made of the data above, in Markdown. */
export function describeFaults (): string {
  const rows = FAULTS.map(
    ({ name, how, during }) => `| **${name}**: ${how} | ${ENDPOINTS.map((endpoint) => during[endpoint]).join(' | ')} |`
  )
  return [
    `| fault | ${ENDPOINTS.map((endpoint) => HEADINGS[endpoint]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(ENDPOINTS.length)}`,
    ...rows,
    '',
    'After each of them, without anybody doing anything:',
    '',
    ...AFTERWARDS.map((truth) => `- ${truth}`)
  ].join('\n')
}
