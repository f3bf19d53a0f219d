/* global document, fetch, performance, setInterval, AbortSignal */
// Keeps the page up to date: requests its own URL as JSON.

const EVERY_MS = 2000
const POINTS = 60
const WORDS = { healthy: 'Healthy', degraded: 'Degraded', unhealthy: 'Unhealthy', unreachable: 'Unreachable' }
const latenciesMs = []

const element = (id) => document.getElementById(id)
let upSince = performance.now() - element('uptime').dataset.seconds * 1000

function tell (target, status) {
  if (target.dataset.status === status) return
  target.dataset.status = status
  target.textContent = WORDS[status]
}

function duration (seconds) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]
  const from = Math.max(0, units.findIndex(([, size]) => seconds >= size))
  return units.slice(from, from + 2).map(([unit, size], index) => {
    const rest = index === 0 ? seconds : seconds % units[from + index - 1][1]
    return `${Math.floor(rest / size)} ${unit}`
  }).join(' ')
}

function showUptime () {
  element('uptime').textContent = duration((performance.now() - upSince) / 1000)
}

function cell (className, text) {
  const made = document.createElement('td')
  made.className = className
  made.textContent = text
  return made
}

function row (name) {
  const made = document.createElement('tr')
  made.dataset.check = name
  const head = document.createElement('th')
  head.scope = 'row'
  head.textContent = name.replaceAll('_', ' ')
  const state = cell('', '')
  state.append(Object.assign(document.createElement('span'), { className: 'state' }))
  made.append(head, state, cell('figure', ''), cell('error', ''))
  return made
}

function showChecks (checks) {
  const body = document.querySelector('tbody')
  for (const [name, { status, latency_ms: latencyMs, error }] of Object.entries(checks)) {
    let line = [...body.rows].find(({ dataset }) => dataset.check === name)
    if (line === undefined) body.append(line = row(name))
    tell(line.querySelector('.state'), status)
    line.querySelector('.figure').textContent = latencyMs === null ? '–' : `${latencyMs} ms`
    line.querySelector('.error').textContent = error ?? ''
  }
}

function showLatency (latencyMs) {
  latenciesMs.push(latencyMs)
  if (latenciesMs.length > POINTS) latenciesMs.shift()
  const known = latenciesMs.filter((value) => value !== null)
  if (known.length < 2) return
  const most = Math.max(...known)
  const from = POINTS - latenciesMs.length
  const points = latenciesMs.flatMap((value, index) => value === null ? [] : [`${(300 * (from + index) / (POINTS - 1)).toFixed(1)},${(57 - 54 * value / most).toFixed(1)}`])
  document.querySelector('polyline').setAttribute('points', points.join(' '))
  element('figures').textContent = `Now ${known.at(-1)} ms, maximum ${most} ms in the last ${latenciesMs.length * EVERY_MS / 1000} s`
  element('history').hidden = false
}

async function refresh () {
  try {
    const response = await fetch('health', { headers: { accept: 'application/json' }, cache: 'no-store', signal: AbortSignal.timeout(EVERY_MS * 2) })
    const { status, timestamp, uptime_seconds: uptimeS, checks } = await response.json()
    upSince = performance.now() - uptimeS * 1000
    tell(element('status'), status)
    document.title = document.title.replace(/^.*? – /, `${WORDS[status]} – `)
    element('looked').dateTime = timestamp
    element('looked').textContent = `${timestamp.slice(11, 19)} UTC`
    showChecks(checks)
    showLatency(checks.database?.latency_ms ?? null)
    element('note').textContent = ''
  } catch {
    tell(element('status'), 'unreachable')
    element('note').textContent = 'The service does not respond. Retrying.'
    showLatency(null)
  }
}

showUptime()
setInterval(showUptime, 1000)
setInterval(refresh, EVERY_MS)
refresh()
