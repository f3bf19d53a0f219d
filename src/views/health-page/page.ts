import { readFileSync } from 'node:fs'
import type { Health } from '../../../schemas/operations.ts'

/** The assets of the page, as separate files: the Content-Security-Policy allows nothing inline. */
export const ASSETS = {
  'view.css': { type: 'text/css; charset=utf-8', bytes: asset('view.css') },
  'view.svg': { type: 'image/svg+xml', bytes: asset('view.svg') },
  'view.js': { type: 'text/javascript; charset=utf-8', bytes: asset('view.js') }
} as const

export interface PageFacts extends Health {
  name: string
}

const WORDS = { healthy: 'Healthy', degraded: 'Degraded', unhealthy: 'Unhealthy' } as const

/** The health page for people: complete without scripts, and kept up to date by its script. */
export function healthPage ({ name, version, status, timestamp, uptime_seconds, checks }: PageFacts): string {
  const rows = Object.entries(checks).map(([check, { status, latency_ms, error }]) => `
        <tr data-check="${escape(check)}">
          <th scope="row">${escape(check.replaceAll('_', ' '))}</th>
          <td><span class="state" data-status="${status}">${WORDS[status]}</span></td>
          <td class="figure">${latency_ms === null ? '–' : `${latency_ms} ms`}</td>
          <td class="error">${escape(error ?? '')}</td>
        </tr>`).join('')
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="robots" content="noindex">
  <title>${WORDS[status]} – ${escape(name)}</title>
  <link rel="icon" href="health/view.svg" type="image/svg+xml">
  <link rel="stylesheet" href="health/view.css">
  <script src="health/view.js" defer></script>
  <noscript><meta http-equiv="refresh" content="10"></noscript>
</head>
<body>
  <main>
    <header>
      <p class="name">${escape(name)}</p>
      <h1 aria-live="polite"><span class="state" id="status" data-status="${status}">${WORDS[status]}</span></h1>
    </header>
    <dl>
      <div><dt>Version</dt><dd>${escape(version)}</dd></div>
      <div><dt>Uptime</dt><dd id="uptime" data-seconds="${uptime_seconds}">${Math.floor(uptime_seconds)} s</dd></div>
      <div><dt>Checked at</dt><dd><time id="looked" datetime="${timestamp}">${timestamp.slice(11, 19)} UTC</time></dd></div>
    </dl>
    <section aria-labelledby="checks">
      <h2 id="checks">Checks</h2>
      <div class="wide">
      <table>
        <thead><tr><th scope="col">Check</th><th scope="col">Status</th><th scope="col" class="figure">Duration</th><th scope="col">Error</th></tr></thead>
        <tbody>${rows}
        </tbody>
      </table>
      </div>
    </section>
    <section aria-labelledby="latency" id="history" hidden>
      <h2 id="latency">Database latency</h2>
      <svg id="sparkline" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-labelledby="figures"><polyline points=""/></svg>
      <p id="figures"></p>
    </section>
    <p class="note" id="note" role="status"></p>
    <nav aria-label="More"><a href="docs">Documentation</a> <a href="metrics">Metrics</a></nav>
  </main>
</body>
</html>
`
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape (text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
}

function asset (name: string): Buffer {
  return readFileSync(new URL(name, import.meta.url))
}
