import { scaleBand, scaleLinear } from 'd3-scale'
import { rounded } from '../../domain/units.ts'
import type { Period } from '../../domain/periods.ts'
import { dayLabel, frame, labelAxis, nothing, PLOT, valueAxis } from './frame.ts'
import { element } from './svg.ts'
import { longUnit, type Units } from './units.ts'

/** The distance of each period as a bar, in kilometres or miles. */
export function volumeChart (
  items: ReadonlyArray<{ start_date: string, distance_m: number, count: number }>,
  by: Period,
  units: Units
): string {
  const unit = longUnit(units)
  const bars = items.map(({ start_date, distance_m }) => ({ start: start_date, value: distance_m / unit.metres }))
  const total = bars.reduce((sum, { value }) => sum + value, 0)
  const most = Math.max(...bars.map(({ value }) => value))
  const title = `Distance by ${by}, ${unit.name}`
  const description =
    `${items.length} ${items.length === 1 ? by : `${by}s`} from ${items[0]!.start_date} on, ${total.toFixed(1)} ${unit.name} in ` +
    `${items.reduce((sum, { count }) => sum + count, 0)} activities; the most in one is ${most.toFixed(1)}.`
  if (most === 0) return frame({ title, description, series: [] }, nothing('No distance in these days'))
  const x = scaleBand(bars.map(({ start }) => start), [PLOT.left, PLOT.right]).paddingInner(0.25).paddingOuter(0.1)
  const y = scaleLinear([0, most], [PLOT.bottom, PLOT.top]).nice(5)
  const middle = (start: string) => x(start)! + x.bandwidth() / 2
  const drawn = bars.filter(({ value }) => value > 0).map(({ start, value }) =>
    `M${rounded(middle(start), 1)},${PLOT.bottom}V${rounded(y(value), 1)}`)
  const label = by === 'year' ? 'year' : by === 'month' || spansYears(bars) ? 'month' : 'day'
  return frame(
    { title, description, series: [] },
    valueAxis(y),
    element('path', { class: 'a', d: drawn.join(''), 'stroke-width': Math.min(60, Math.max(0.5, x.bandwidth())) }),
    labelAxis(bars.map(({ start }) => ({ x: middle(start), text: dayLabel(start, label) })))
  )
}

function spansYears (bars: ReadonlyArray<{ start: string }>): boolean {
  return bars.at(-1)!.start.slice(0, 4) > String(Number(bars[0]!.start.slice(0, 4)) + 1)
}
