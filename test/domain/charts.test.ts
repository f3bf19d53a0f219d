import { SaxesParser } from 'saxes'
import t, { type Test } from 'tap'
import { addDays } from '../../src/domain/days.ts'
import { loadDays } from '../../src/domain/training/load-days.ts'
import { CHART_POLICY } from '../../src/views/charts/frame.ts'
import { loadChart } from '../../src/views/charts/load-chart.ts'
import { element, escaped } from '../../src/views/charts/svg.ts'
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
  for (const { attributes: { x, y } } of elements) {
    t.ok((Number(x ?? 0) >= 0 && Number(x ?? 0) <= 800) && (Number(y ?? 0) >= 0 && Number(y ?? 0) <= 420))
  }
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

t.test('text is escaped, and characters that XML has no place for are left out', async (t) => {
  t.equal(escaped('<a href="x">&\0\u0008é😀'), '&#60;a href=&#34;x&#34;&#62;&#38;é😀')
  t.equal(elementsOf(element('text', { id: '"<&>' }, escaped('<script>')))[0]?.attributes.id, '"<&>')
})

t.test('the policy allows the picture’s own style by its hash', async (t) => {
  t.match(CHART_POLICY, /^default-src 'none'; style-src 'sha256-[\w+/]+=*'$/)
})
