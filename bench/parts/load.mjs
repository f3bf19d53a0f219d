import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CORES, has, onCores } from './cores.mjs'

const GENERATOR = fileURLToPath(new URL('./generator.mjs', import.meta.url))
const BURST = fileURLToPath(new URL('./burst.mjs', import.meta.url))

/** Which generator there is. */
export const generator = has('wrk') ? 'wrk' : 'own'

/**
 * Closed load: so many connections, each with one request at a time, in turn those given. Answers requests, those not
 * answered by 2xx, seconds, and quantiles of latency in ms. `own`: not by wrk, where it is to be compared with an open
 * load.
 */
export async function closedLoad ({ own = false, ...options }) {
  return generator === 'wrk' && !own ? await byWrk(options) : await generate(GENERATOR, { ...options, rate: 0 })
}

/**
 * Open load: so many requests a second, whether the ones before are answered or not. Answers every status with counts
 * and latencies.
 */
export async function openLoad (options) {
  return await generate(GENERATOR, options)
}

/** All requests at once, each over a new connection. Answers how many there were of each status, and after how long. */
export async function burst (options) {
  return await generate(BURST, options)
}

async function byWrk ({ port, requests, connections, seconds }) {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-wrk-'))
  const script = join(folder, 'requests.lua')
  writeFileSync(script, luaOf(requests))
  try {
    const output = await run('wrk', [
      '-t1',
      `-c${connections}`,
      `-d${seconds}s`,
      '-s',
      script,
      `http://127.0.0.1:${port}`
    ])
    return JSON.parse(output.slice(output.lastIndexOf('\n{') + 1))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Requests are put together before the clock runs: wrk has the generator's core, but not for itself. */
function luaOf (requests) {
  const quoted = (text) => `"${text.replace(/[\\"]/g, '\\$&')}"`
  const table = (headers) =>
    `{${Object.entries(headers)
      .map(([name, value]) => `[${quoted(name)}]=${quoted(value)}`)
      .join(',')}}`
  return `
local all, n = {}, 0
init = function (args)
  ${requests.map(({ method, path, headers, body }) => `all[#all + 1] = wrk.format(${quoted(method)}, ${quoted(path)}, ${table({ ...headers, Host: '127.0.0.1' })}, ${body === undefined ? 'nil' : quoted(body)})`).join('\n  ')}
end
request = function ()
  n = n + 1
  if n > #all then n = 1 end
  return all[n]
end
done = function (summary, latency, requests)
  io.write(string.format('\\n{"requests":%d,"failed":%d,"seconds":%.6f,"p50":%.3f,"p90":%.3f,"p99":%.3f}\\n', summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3))
end
`
}

async function generate (script, options) {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-load-'))
  const file = join(folder, 'load.json')
  writeFileSync(file, JSON.stringify(options))
  try {
    return JSON.parse(await run(process.execPath, [script, file]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function run (program, programArgs) {
  const [command, args] = onCores(CORES.load, program, programArgs)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { output += text })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`)
  return output
}
