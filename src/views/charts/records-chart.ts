import { scaleLinear } from 'd3-scale'
import { dayLabel, frame, nothing, PLOT, WIDTH } from './frame.ts'
import { element, escaped } from './svg.ts'
import { clock, clockTicks, longUnit, type Units } from './units.ts'

/** The fastest over one distance. */
export interface RecordItem {
  distance_m: number
  name: string
  best: { elapsed_s: number, date: string }
  /** The fastest first. */
  top: ReadonlyArray<{ elapsed_s: number }>
}

const ROW = 34
/** What is left and right of the plot: the names of the distances, the times and their days. */
const LEFT = 192
const RIGHT = WIDTH - 216
const PERIODS: Record<string, string> = { all: 'of all time', year: 'of this year', '90d': 'of the last 90 days' }

/** The best effort over each distance by its pace, among the ten fastest; a row for each distance. */
export function recordsChart (items: readonly RecordItem[], period: string, units: Units): string {
  const { name, metres } = longUnit(units)
  const title = `Best efforts ${PERIODS[period] ?? ''}, min/${name}`
  if (items.length === 0) {
    return frame({ title, description: 'There is no best effort yet.', series: [] }, nothing('No best efforts in these days'))
  }
  const paceOf = ({ distance_m }: RecordItem, elapsedS: number) => elapsedS / distance_m * metres
  const fastest = Math.min(...items.map((item) => paceOf(item, item.best.elapsed_s)))
  // Far slower ones among the ten fastest, as of a walk, would press all others together.
  const slowest = Math.min(
    Math.max(...items.flatMap((item) => item.top.map(({ elapsed_s }) => paceOf(item, elapsed_s)))),
    Math.max(...items.map((item) => paceOf(item, item.best.elapsed_s))) * 1.25
  )
  const space = Math.max(10, (slowest - fastest) * 0.06)
  const [low, high] = [fastest - space, slowest + space]
  const x = scaleLinear([high, low], [LEFT, RIGHT]).clamp(true)
  const middle = (place: number) => PLOT.top + ROW * (place + 0.5)
  const end = PLOT.top + ROW * items.length
  return frame(
    {
      title,
      description: `${items.map(({ name, best }) => `${name} in ${clock(best.elapsed_s)} on ${best.date}`).join('; ')}.`,
      series: [{ name: 'Best', class: 'a' }, { name: 'Ten fastest', class: 'bar' }],
      height: end + 44
    },
    ...clockTicks(low, high, 6).map((pace, i) =>
      element('line', { class: 'grid', x1: x(pace), x2: x(pace), y1: PLOT.top, y2: end }) +
      element('text', { class: i % 2 === 0 ? 'middle' : 'middle wide', x: x(pace), y: end + 26 }, clock(pace))),
    ...items.flatMap((item, place) => {
      const y = middle(place)
      const others = item.top.slice(1).map(({ elapsed_s }) => x(paceOf(item, elapsed_s)))
      return [
        element('text', { class: 'end', x: LEFT - 14, y: y + 5 }, escaped(item.name)),
        ...others.map((cx) => element('circle', { class: 'dot bar', cx, cy: y, r: 4 })),
        element('circle', { class: 'dot a', cx: x(paceOf(item, item.best.elapsed_s)), cy: y, r: 6 }),
        element('text', { class: 'end', x: RIGHT + 92, y: y + 5 }, clock(item.best.elapsed_s)),
        element('text', { class: 'wide', x: RIGHT + 110, y: y + 5 },
          `${dayLabel(item.best.date)} ${item.best.date.slice(0, 4)}`)
      ]
    })
  )
}
