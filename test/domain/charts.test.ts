import { SaxesParser } from 'saxes'
import t, { type Test } from 'tap'
import { addDays } from '../../src/domain/days.ts'
import { curvesOf } from '../../src/domain/streams/curves.ts'
import { GAP, type Streams } from '../../src/domain/streams/fields.ts'
import { EFFORT_DISTANCES } from '../../src/domain/training/best-efforts.ts'
import { loadDays } from '../../src/domain/training/load-days.ts'
import { activityChart } from '../../src/views/charts/activity-chart.ts'
import { CHART_POLICY } from '../../src/views/charts/frame.ts'
import { loadChart } from '../../src/views/charts/load-chart.ts'
import { recordsChart } from '../../src/views/charts/records-chart.ts'
import { element, escaped } from '../../src/views/charts/svg.ts'
import { clock, clockTicks } from '../../src/views/charts/units.ts'
import { volumeChart } from '../../src/views/charts/volume-chart.ts'

const MOST_BYTES = 60_000

/** The elements of a picture with their attributes and text; throws where it is not well-formed. */
function elementsOf (svg: string): Array<{ name: string, attributes: Record<string, string>, text: string }> {
  const found: ReturnType<typeof elementsOf> = []
  const open: ReturnType<typeof elementsOf> = []
  const parser = new SaxesParser()
  parser.on('error', (error) => { throw error })
  parser.on('opentag', ({ name, attributes }) => {
    const one = { name, attributes: attributes as Record<string, string>, text: '' }
    found.push(one)
    open.push(one)
  })
  parser.on('text', (text) => { for (const one of open.slice(-1)) one.text += text })
  parser.on('closetag', () => { open.pop() })
  parser.write(svg).close()
  return found
}

function checkPicture (t: Test, svg: string): ReturnType<typeof elementsOf> {
  const elements = elementsOf(svg)
  const [root] = elements
  t.match(root, { name: 'svg', attributes: { role: 'img', 'aria-labelledby': 'title description', xmlns: /svg$/ } })
  for (const id of ['title', 'description']) {
    t.ok(elements.some(({ attributes, text }) => attributes.id === id && text.length > 5), `a ${id} for screen readers`)
  }
  t.notOk(elements.some(({ name }) => name === 'script'), 'no script')
  t.match(svg, /prefers-color-scheme:dark/)
  t.ok(Buffer.byteLength(svg) < MOST_BYTES, `${Buffer.byteLength(svg)} bytes`)
  t.notMatch(svg, /NaN|undefined|Infinity/)
  const [width, height] = root!.attributes.viewBox!.split(' ').slice(2).map(Number) as [number, number]
  for (const { attributes } of elements) {
    for (const x of [attributes.x, attributes.x1, attributes.cx]) t.ok(Number(x ?? 0) >= 0 && Number(x ?? 0) <= width)
    for (const y of [attributes.y, attributes.y1, attributes.cy]) t.ok(Number(y ?? 0) >= 0 && Number(y ?? 0) <= height)
  }
  const outside = [...svg.matchAll(/[ML]([\d.-]+),([\d.-]+)/g)]
    .filter(([, x, y]) => !(Number(x) >= 0 && Number(x) <= width && Number(y) >= 0 && Number(y) <= height))
  t.same(outside.map(([point]) => point), [], 'curves are within the picture')
  return elements
}

function history (days: number, loadOf: (day: number) => number) {
  const first = '2023-01-01'
  const done = new Map(Array.from({ length: days }, (_, i) => [addDays(first, i), loadOf(i)]))
  return loadDays(first, addDays(first, days - 1), { done, planned: new Map(), first })
}

t.test('the chart of load is a picture for everybody, of a day and of the most days', async (t) => {
  for (const days of [1, 2, 30, 90, 366, 1100]) {
    const svg = loadChart(history(days, (day) => day % 7 === 3 ? 0 : 40 + day % 90), addDays('2023-01-01', days - 1))
    const elements = checkPicture(t, svg)
    t.equal(elements.filter(({ attributes }) => /^[abc]$/.test(attributes.class ?? '') && attributes.d !== undefined).length, 3)
  }
})

t.test('what is forecast is dashed, from the last day that was', async (t) => {
  const svg = loadChart(history(60, () => 50), '2023-01-30')
  t.equal(checkPicture(t, svg).filter(({ attributes }) => attributes.class?.includes('dashed') === true).length, 3)
})

t.test('without a load there is a sentence instead of lines', async (t) => {
  t.match(checkPicture(t, loadChart(history(10, () => 0), '2023-01-10')).map(({ text }) => text).join(), /No training load/)
  t.match(volumeChart([{ start_date: '2025-01-01', distance_m: 0, count: 0 }], 'week', 'metric'), /No distance/)
})

t.test('the chart of volume is in the units of the runner, of one period and of the most', async (t) => {
  const items = (count: number) => Array.from({ length: count }, (_, i) => ({
    start_date: addDays('2020-01-06', i), distance_m: 1609.344 * (i % 10), count: 1
  }))
  for (const count of [2, 12, 53, 1100]) checkPicture(t, volumeChart(items(count), 'day', 'metric'))
  t.match(volumeChart(items(2), 'day', 'imperial'), /1\.0 mi in 2 activities/)
  t.match(volumeChart(items(2), 'day', 'metric'), /1\.6 km in 2 activities/)
})

/** A run of so many records a second each, at 3 m/s but for a pause of a minute after `pausesAfter` seconds. */
function recording (
  records: number,
  { without = [], pausesAfter = [] }: { without?: string[], pausesAfter?: number[] } = {}
): Streams {
  const column = (field: string, value: (row: number) => number) =>
    without.includes(field) ? {} : { [field]: Int32Array.from({ length: records }, (_, row) => Math.round(value(row))) }
  const pausedS = (row: number) => pausesAfter.filter((after) => row >= after).length * 60
  return {
    records,
    columns: {
      ...column('time_s', (row) => (row + pausedS(row)) * 100),
      ...column('distance_m', (row) => row * 300),
      ...column('altitude_m', (row) => 1000 + 200 * Math.sin(row / 100)),
      ...column('heart_rate_bpm', (row) => row % 7 === 0 ? GAP : 140 + 20 * Math.sin(row / 50)),
      ...column('speed_m_per_s', (row) => row % 500 < 20 ? 0 : 3000 + 300 * Math.sin(row / 30))
    }
  }
}

const RUN = { sport: 'running', local_date: '2026-03-09', units: 'metric' } as const

t.test('the chart of an activity has a curve for each stream, in the units of the runner', async (t) => {
  const curvesIn = (svg: string) => checkPicture(t, svg)
    .filter(({ name, attributes }) => name === 'path' && !attributes.class!.includes('area'))
  const titles = (svg: string) => svg.match(/(Pace|Speed|Heart rate|Altitude), [^<]+/g)
  const whole = activityChart(recording(3600), RUN)
  t.equal(curvesIn(whole).length, 3)
  t.same(titles(whole), ['Pace, min/km', 'Heart rate, bpm', 'Altitude, m'])
  t.match(whole, /10\.80 km; pace 5:\d\d min\/km in the mean/)
  const imperial = activityChart(recording(3600), { ...RUN, units: 'imperial' })
  t.same(titles(imperial), ['Pace, min/mi', 'Heart rate, bpm', 'Altitude, ft'])
  t.match(imperial, /6\.71 mi/)
  t.same(titles(activityChart(recording(600, { without: ['heart_rate_bpm'] }), RUN)), ['Pace, min/km', 'Altitude, m'])
  t.same(titles(activityChart(recording(600), { ...RUN, sport: 'cycling' }))?.[0], 'Speed, km/h')
  const overTime = activityChart(recording(600, { without: ['distance_m', 'speed_m_per_s'] }), RUN)
  t.same(titles(overTime), ['Heart rate, bpm', 'Altitude, m'])
  t.match(overTime, />4:00</, 'over the time where there is no distance')
})

t.test('the chart of an activity says so where there is nothing to draw', async (t) => {
  for (const streams of [recording(0), recording(1), { records: 0, columns: {} }, { records: 500, columns: {} }]) {
    t.match(checkPicture(t, activityChart(streams, RUN)).map(({ text }) => text).join(), /No recording to draw/)
  }
  checkPicture(t, activityChart(recording(2), RUN))
})

t.test('pauses divide the curves, and many of them do not make a large picture', async (t) => {
  const partsIn = (streams: Streams) => curvesOf(streams, 300).parts
  t.equal(partsIn(recording(600)).length, 1)
  const paused = recording(600, { pausesAfter: [200, 400] })
  t.same(partsIn(paused).map((part) => [Math.floor(part[0]!.x / 3), Math.floor(part.at(-1)!.x / 3)]),
    [[0, 198], [200, 398], [400, 598]])
  const [curve] = checkPicture(t, activityChart(paused, RUN)).filter(({ attributes }) => attributes['stroke-width'] === '2')
  t.equal(curve!.attributes.d!.match(/M/g)!.length >= 3, true)
  const often = recording(100_000, { pausesAfter: Array.from({ length: 300 }, (_, i) => i * 300 + 100) })
  checkPicture(t, activityChart(often, RUN))
  t.ok(partsIn(often).flat().length <= 300 + 61)
})

t.test('the means of the curves are those of the records, standing and gaps left out', async (t) => {
  const { over, from, to, parts } = curvesOf(recording(1000), 1)
  t.match([over, from, to, parts.length, parts[0]!.length], ['distance', 0, 2997, 1, 1])
  const [point] = parts[0]!
  t.ok(Math.abs(point!.speed_m_per_s! - 3) < 0.05 && Math.abs(point!.heart_rate_bpm! - 140) < 5)
  t.match(curvesOf(recording(50, { without: ['heart_rate_bpm'] }), 10).parts[0]![0], { heart_rate_bpm: null })
})

t.test('the chart of records has a row for each distance', async (t) => {
  const items = EFFORT_DISTANCES.map(({ distance_m, name }) => ({
    distance_m,
    name,
    best: { elapsed_s: distance_m / 4, date: '2025-11-02' },
    top: Array.from({ length: 10 }, (_, i) => ({ elapsed_s: distance_m / 4 * (1 + i * i / 50) }))
  }))
  for (const units of ['metric', 'imperial'] as const) {
    const all = checkPicture(t, recordsChart(items, 'all', units))
    t.equal(all.filter(({ name }) => name === 'circle').length, 130)
    t.ok(EFFORT_DISTANCES.every(({ name }) => all.some(({ text }) => text === name)))
  }
  const one = recordsChart([{ ...items[5]!, top: items[5]!.top.slice(0, 1) }], '90d', 'metric')
  t.ok(checkPicture(t, one).some(({ text }) => text === '20:50'))
  t.match(recordsChart([], 'year', 'metric'), /No best efforts/)
})

t.test('times are written as on a clock, with round ticks', async (t) => {
  t.same([0, 59.6, 245, 3599.6, 3723].map(clock), ['0:00', '1:00', '4:05', '1:00:00', '1:02:03'])
  t.same(clockTicks(250, 333, 4), [270, 300, 330])
  t.same(clockTicks(5, 5, 4), [5])
})

t.test('text is escaped, and characters that XML has no place for are left out', async (t) => {
  t.equal(escaped('<a href="x">&\0\u0008é😀'), '&#60;a href=&#34;x&#34;&#62;&#38;é😀')
  t.equal(elementsOf(element('text', { id: '"<&>' }, escaped('<script>')))[0]?.attributes.id, '"<&>')
})

t.test('the policy allows the picture’s own style by its hash', async (t) => {
  t.match(CHART_POLICY, /^default-src 'none'; style-src 'sha256-[\w+/]+=*'$/)
})
