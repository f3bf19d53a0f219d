/**
 * The metrics of the service and of Node that rules and dashboards may use. Histograms by their base name.
 */
export const METRICS: ReadonlyMap<string, 'counter' | 'gauge' | 'histogram'> = new Map([
  ['http_request_duration_seconds', 'histogram'],
  ['http_requests_in_flight', 'gauge'],
  ['http_errors_total', 'counter'],
  ['db_queries_total', 'counter'],
  ['db_query_duration_seconds', 'histogram'],
  ['db_pool_connections', 'gauge'],
  ['db_pool_max_connections', 'gauge'],
  ['db_pool_waiting_requests', 'gauge'],
  ['db_pool_acquire_seconds', 'histogram'],
  ['health_check_status', 'gauge'],
  ['build_info', 'gauge'],
  ['imports_total', 'counter'],
  ['import_duration_seconds', 'histogram'],
  ['recomputations_total', 'counter'],
  ['recomputation_duration_seconds', 'histogram'],
  ['recomputations_waiting', 'gauge'],
  ['jobs_total', 'counter'],
  ['job_queue_jobs', 'gauge'],
  ['job_queue_oldest_wait_seconds', 'gauge'],
  ['log_lines_total', 'counter'],
  ['log_write_errors_total', 'counter'],
  ['process_cpu_user_seconds_total', 'counter'],
  ['process_cpu_system_seconds_total', 'counter'],
  ['process_start_time_seconds', 'gauge'],
  ['process_resident_memory_bytes', 'gauge'],
  ['process_open_fds', 'gauge'],
  ['process_max_fds', 'gauge'],
  ['nodejs_eventloop_lag_p50_seconds', 'gauge'],
  ['nodejs_eventloop_lag_p99_seconds', 'gauge'],
  ['nodejs_eventloop_lag_max_seconds', 'gauge'],
  ['nodejs_active_resources', 'gauge'],
  ['nodejs_heap_size_used_bytes', 'gauge'],
  ['nodejs_external_memory_bytes', 'gauge'],
  ['nodejs_heap_space_size_used_bytes', 'gauge'],
  ['nodejs_gc_duration_seconds', 'histogram']
])

/** Keywords of PromQL that could be mistaken for metric names. */
const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'bool',
  'offset',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'inf',
  'nan'
])

/**
 * The metrics in a PromQL expression, each once, in order of appearance; without functions, keywords, label names,
 * strings, durations and Grafana's variables.
 */
export function metricNames (expr: string): string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '""')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/gi, ' ')
    .replace(/\boffset\s+-?(?:\d+(?:ms|[smhdwy]))+/gi, ' ')
    .replace(/\$\w+|\$\{\w+\}/g, ' ')
  const names = new Set<string>()
  for (const match of bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g)) {
    if (!KEYWORDS.has(match[0].toLowerCase())) names.add(match[0])
  }
  return [...names]
}

/** The name of a metric without the suffixes of a histogram, as in `# TYPE`. */
export function baseName (name: string, isHistogram: (base: string) => boolean): string {
  const base = name.replace(/_(?:bucket|sum|count)$/, '')
  return base !== name && isHistogram(base) ? base : name
}

/** The names and types in the `# TYPE` lines of a page of metrics. */
export function declaredMetrics (page: string): Map<string, string> {
  return new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
}
