export interface Check {
  /** Stable, snake_case. */
  name: string
  status: 'ok' | 'warning' | 'failed'
  message: string
  /** What to do about it; null where all is well. */
  remedy: string | null
}

export function ok (name: string, message: string): Check {
  return { name, status: 'ok', message, remedy: null }
}

export function warning (name: string, message: string, remedy: string): Check {
  return { name, status: 'warning', message, remedy }
}

export function failed (name: string, message: string, remedy: string): Check {
  return { name, status: 'failed', message, remedy }
}

/** A check that fails in production and only warns elsewhere. */
export function must (
  production: boolean,
  holds: boolean,
  name: string,
  { good, bad, remedy }: { good: string; bad: string; remedy: string }
): Check {
  return holds ? ok(name, good) : (production ? failed : warning)(name, bad, remedy)
}
