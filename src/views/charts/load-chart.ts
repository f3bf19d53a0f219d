import { scaleLinear, scalePoint } from 'd3-scale'
import { line } from 'd3-shape'
import type { LoadDay } from '../../domain/training/load-days.ts'
import { rounded } from '../../domain/units.ts'
import { dayLabel, frame, labelAxis, nothing, PLOT, valueAxis, type Series } from './frame.ts'
import { element } from './svg.ts'

const SERIES: Series[] = [
  { name: 'Fitness (CTL)', class: 'a' },
  { name: 'Fatigue (ATL)', class: 'b' },
  { name: 'Form', class: 'c' },
  { name: 'Load of a day', class: 'bar' }
]
/** More days than this are too dense to be told apart: of several one is drawn, the bar as their mean. */
const MOST_DRAWN = 366
/** From so many days on labels name the month. */
const MANY_DAYS = 180

/** Fitness, fatigue and form as lines over the daily loads as bars; what is forecast is dashed. */
export function loadChart (days: readonly LoadDay[], today: string): string {
  const drawn = thinned(days)
  const title = 'Training load'
  const last = days.findLast(({ date }) => date <= today) ?? days.at(-1)!
  const description =
    `From ${days[0]!.date} to ${days.at(-1)!.date}. On ${last.date}: fitness ${last.ctl.toFixed(1)}, ` +
    `fatigue ${last.atl.toFixed(1)}, form ${last.form_same_day.toFixed(1)}.`
  const values = drawn.flatMap(({ ctl, atl, bar, form_same_day: form }) => [ctl, atl, bar, form])
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)]
  if (most === 0) return frame({ title, description, series: [] }, nothing('No training load in these days'))
  const x = scalePoint(drawn.map(({ date }) => date), [PLOT.left + 6, PLOT.right - 6])
  const y = scaleLinear([least, most], [PLOT.bottom, PLOT.top]).nice(5)
  const barWidth = Math.max(1, Math.min(12, (PLOT.right - PLOT.left) / drawn.length * 0.7))
  const bars = drawn.filter(({ bar }) => bar > 0).map(({ date, bar }) => `M${rounded(x(date)!, 1)},${rounded(y(0), 1)}V${rounded(y(bar), 1)}`)
  const lines = (['form_same_day', 'atl', 'ctl'] as const).map((name) => {
    const draw = line<Drawn>((day) => x(day.date)!, (day) => y(day[name])).digits(1)
    const kind = { form_same_day: 'c', atl: 'b', ctl: 'a' }[name]
    const done = drawn.filter(({ date }) => date <= today)
    // It goes on from the last day that was.
    const ahead = drawn.slice(Math.max(0, done.length - 1))
    return element('path', { class: kind, 'stroke-width': 2, d: draw(done) ?? '' }) +
      (done.length < drawn.length ? element('path', { class: `${kind} dashed`, 'stroke-width': 2, d: draw(ahead) ?? '' }) : '')
  })
  const by = days.length > 4 * MOST_DRAWN ? 'year' : days.length > MANY_DAYS ? 'month' : 'day'
  return frame(
    { title, description, series: SERIES },
    valueAxis(y),
    bars.length === 0 ? '' : element('path', { class: 'bar', d: bars.join(''), 'stroke-width': barWidth }),
    ...lines,
    labelAxis(drawn.map(({ date }) => ({ x: x(date)!, text: dayLabel(date, by) })))
  )
}

type Drawn = LoadDay & { bar: number }

function thinned (days: readonly LoadDay[]): Drawn[] {
  const step = Math.ceil(days.length / MOST_DRAWN)
  return Array.from({ length: Math.ceil(days.length / step) }, (_, i) => {
    const part = days.slice(i * step, (i + 1) * step)
    const bar = part.reduce((sum, { load, planned_load }) => sum + (load ?? 0) + (planned_load ?? 0), 0) / part.length
    return { ...part.at(-1)!, bar }
  })
}
