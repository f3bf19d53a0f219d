import { createHash } from 'node:crypto'
import type { ScaleLinear } from 'd3-scale'
import { element, escaped } from './svg.ts'

export const WIDTH = 800
export const HEIGHT = 420
/** The area in which values are drawn. */
export const PLOT = { left: 72, right: WIDTH - 48, top: 84, bottom: HEIGHT - 52 } as const

/** At most so many labels stand below a chart; every second of them is left out where it is narrow. */
export const MOST_LABELS = 8

/**
 * The colours by light and dark, and larger text where the picture is narrow: it is scaled down there. It has no script
 * and nothing from elsewhere.
 */
const STYLE = `:root{--back:#fff;--text:#3d4450;--title:#14171c;--line:#d9dde3;--a:#0b63b5;--b:#c2410c;--c:#15803d;--bar:#a9b8c9}
@media (prefers-color-scheme:dark){:root{--back:#15181d;--text:#b6beca;--title:#f2f4f7;--line:#333a44;--a:#6cb2ff;--b:#fb9a5c;--c:#5fd08a;--bar:#56667a}}
.back{fill:var(--back)}text{font:13px system-ui,sans-serif;fill:var(--text)}.title{font-size:18px;font-weight:600;fill:var(--title)}
.grid{stroke:var(--line)}.zero{stroke:var(--text)}.end{text-anchor:end}.middle{text-anchor:middle}path{fill:none}
.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}.bar{stroke:var(--bar)}.dashed{stroke-dasharray:5 4}
text.a{fill:var(--a)}text.b{fill:var(--b)}text.c{fill:var(--c)}text.a,text.b,text.c{stroke:none}
.area{fill:var(--c);fill-opacity:.18;stroke:none}.dot{stroke:none}.dot.a{fill:var(--a)}.dot.bar{fill:var(--bar)}
tspan.a{fill:var(--a);stroke:none}tspan.b{fill:var(--b);stroke:none}tspan.c{fill:var(--c);stroke:none}tspan.bar{fill:var(--bar);stroke:none}
@media (max-width:520px){text{font-size:22px}.title{font-size:28px}.wide{display:none}}`

/** The policy of a picture that is opened by itself: its own style and nothing else. */
export const CHART_POLICY =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`

/** A series, as the legend names it; its colour is that of the class. */
export interface Series {
  name: string
  class: 'a' | 'b' | 'c' | 'bar'
}

export interface Frame {
  title: string
  /** What the picture shows, in a sentence with its figures, for those who do not see it. */
  description: string
  series: Series[]
  /** By default {@link HEIGHT}. */
  height?: number
}

/** The whole picture: what is drawn, in its frame of title, legend and colours. */
export function frame ({ title, description, series, height = HEIGHT }: Frame, ...drawn: string[]): string {
  const legend = series.map(({ name, class: kind }) => `${element('tspan', { class: kind }, '■')} ${escaped(name)}   `)
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: '100%',
      role: 'img',
      'aria-labelledby': 'title description'
    },
    element('title', { id: 'title' }, escaped(title)),
    element('desc', { id: 'description' }, escaped(description)),
    element('style', {}, STYLE),
    element('rect', { class: 'back', width: WIDTH, height }),
    element('text', { class: 'title', x: 16, y: 32 }, escaped(title)),
    element('text', { x: 16, y: 62, 'xml:space': 'preserve' }, ...legend),
    ...drawn
  )
}

/** Says in the middle of an empty picture that there is nothing to draw. */
export function nothing (text: string): string {
  return element('text', { class: 'middle', x: WIDTH / 2, y: (PLOT.top + PLOT.bottom) / 2 }, escaped(text))
}

/** Lines across the plot at round values, each with its number. */
export function valueAxis (scale: ScaleLinear<number, number>): string {
  return scale.ticks(5).map((value) => {
    const y = scale(value)
    return element('line', {
      class: value === 0 ? 'zero' : 'grid', x1: PLOT.left, x2: PLOT.right, y1: y, y2: y
    }) + element('text', { class: 'end', x: PLOT.left - 8, y: y + 5 }, value.toLocaleString('en-US'))
  }).join('')
}

/** Labels below the plot, evenly chosen: at most {@link MOST_LABELS}. */
export function labelAxis (labels: ReadonlyArray<{ x: number, text: string }>): string {
  const step = Math.ceil(labels.length / MOST_LABELS)
  return labels.filter((_, i) => i % step === 0).map(({ x, text }, i) =>
    element('text', { class: i % 2 === 0 ? 'middle' : 'middle wide', x, y: PLOT.bottom + 26 }, escaped(text))).join('')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** A day as a label: `3 Mar`, with `by` month `Mar 2025`, with year `2025`. */
export function dayLabel (day: string, by: 'day' | 'month' | 'year' = 'day'): string {
  const [year, month, date] = day.split('-').map(Number) as [number, number, number]
  if (by === 'year') return String(year)
  return by === 'month' ? `${MONTHS[month - 1]} ${year}` : `${date} ${MONTHS[month - 1]}`
}
