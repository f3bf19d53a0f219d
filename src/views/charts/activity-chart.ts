import { scaleLinear, type ScaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { curvesOf, type CurvePoint, type Curves } from '../../domain/streams/curves.ts'
import type { Streams } from '../../domain/streams/fields.ts'
import { dayLabel, frame, nothing, PLOT as WHOLE } from './frame.ts'
import { element, escaped } from './svg.ts'
import { clock, clockTicks, heightUnit, longUnit, type Units } from './units.ts'

/** What the picture of an activity depends on beside its streams. */
export interface ActivityFrame {
  sport: string
  /** YYYY-MM-DD */
  local_date: string
  units: Units
}

/** Heights in feet and paces of over ten minutes need more room than other figures. */
const PLOT = { ...WHOLE, left: 92 } as const
/** So many points are drawn: two pixels each on a wide screen. */
const POINTS = 300
/** The height of one curve, and the space between two. */
const PANEL = 128
const SPACE = 34
/** Sports whose speed is read as a pace. */
const PACED = ['running', 'walking', 'hiking', 'swimming']
/** A pace slower than this share of the mean is drawn at the lower edge, so that a walk does not flatten the rest. */
const SLOWEST_OF_MEAN = 1.6

/** One curve in its panel. */
interface Panel {
  title: string
  class: 'a' | 'b' | 'c'
  /** In the unit of the axis. */
  value (point: CurvePoint): number | null
  text (value: number): string
  ticks (scale: ScaleLinear<number, number>): number[]
  /** Lowest first; the other way round the axis is turned over. */
  domain: [number, number]
  isArea?: boolean
  /** In a sentence. */
  summary: string
}

/** Pace, heart rate and altitude over the distance, each in a panel of its own; a pause divides the curves. */
export function activityChart (streams: Streams, { sport, local_date, units }: ActivityFrame): string {
  const curves = curvesOf(streams, POINTS)
  const points = curves.parts.flat()
  const title = `${sport.slice(0, 1).toUpperCase()}${sport.slice(1)}, ${dayLabel(local_date)} ${local_date.slice(0, 4)}`
  const panels = [speedPanel(points, sport, units), heartRatePanel(points), altitudePanel(points, units)]
    .filter((panel) => panel !== undefined)
  if (points.length < 2 || panels.length === 0) {
    return frame({ title, description: 'The activity has no recording that a curve could be drawn of.', series: [] },
      nothing('No recording to draw'))
  }
  const { unit, name, length } = xAxis(curves, units)
  const height = PLOT.top + panels.length * (PANEL + SPACE) + 16
  const x = scaleLinear([curves.from, curves.to], [PLOT.left, PLOT.right])
  const top = (place: number) => PLOT.top + 8 + place * (PANEL + SPACE)
  const last = top(panels.length - 1) + PANEL
  return frame(
    {
      title,
      description: `${length}${panels.map(({ summary }) => summary).join('')}.`,
      series: [],
      height
    },
    ...panels.map((panel, place) => drawn(panel, curves, x, top(place))),
    ...pauses(curves).map((at) => element('line', {
      class: 'grid dashed', x1: x(at), x2: x(at), y1: top(0), y2: last
    })),
    labels(curves, x, { unit, name }, last + 24)
  )
}

function drawn (panel: Panel, { parts }: Curves, x: ScaleLinear<number, number>, top: number): string {
  const y = scaleLinear(panel.domain, [top + PANEL, top]).clamp(true)
  const at = (point: CurvePoint) => y(panel.value(point)!)
  const has = (point: CurvePoint) => panel.value(point) !== null
  const curve = line<CurvePoint>(({ x: metres }) => x(metres), at).defined(has).digits(1)
  const below = area<CurvePoint>(({ x: metres }) => x(metres), top + PANEL, at).defined(has).digits(1)
  const grid = panel.ticks(y).map((value) => {
    const height = y(value)
    return element('line', { class: 'grid', x1: PLOT.left, x2: PLOT.right, y1: height, y2: height }) +
      element('text', { class: 'end', x: PLOT.left - 8, y: height + 5 }, escaped(panel.text(value)))
  })
  return [
    element('text', { class: panel.class, x: PLOT.left, y: top - 9 }, escaped(panel.title)),
    ...grid,
    panel.isArea === true
      ? element('path', { class: `${panel.class} area`, d: parts.map((part) => below(part) ?? '').join('') })
      : '',
    element('path', {
      class: panel.class, 'stroke-width': 2, 'stroke-linejoin': 'round', d: parts.map((part) => curve(part) ?? '').join('')
    })
  ].join('')
}

/** Where one part ends and the next one begins. */
function pauses ({ parts }: Curves): number[] {
  return parts.slice(1).flatMap((part, i) => {
    const [before, after] = [parts[i]!.at(-1)!.x, part[0]!.x]
    return [(before + after) / 2]
  })
}

function labels (
  { over, from, to }: Curves,
  x: ScaleLinear<number, number>,
  { unit, name }: { unit: number, name: string },
  y: number
): string {
  const ticks = over === 'time'
    ? clockTicks(from, to, 7)
    : scaleLinear([from / unit, to / unit], [0, 1]).ticks(7).map((value) => value * unit)
  return ticks.map((tick, i) => element('text', {
    class: i % 2 === 0 ? 'middle' : 'middle wide', x: x(tick), y
  }, over === 'time' ? clock(tick) : `${Number((tick / unit).toFixed(3))} ${name}`)).join('')
}

function xAxis ({ over, from, to }: Curves, units: Units): { unit: number, name: string, length: string } {
  const { name, metres } = longUnit(units)
  return over === 'time'
    ? { unit: 1, name: 's', length: `${clock(to - from)} in time` }
    : { unit: metres, name, length: `${((to - from) / metres).toFixed(2)} ${name}` }
}

function speedPanel (points: readonly CurvePoint[], sport: string, units: Units): Panel | undefined {
  const speeds = valuesOf(points, ({ speed_m_per_s: speed }) => speed)
  if (speeds.length === 0) return undefined
  const { name, metres } = longUnit(units)
  const mean = speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length
  if (!PACED.includes(sport)) {
    const unit = metres / 3600
    const [least, most] = extent(speeds.map((speed) => speed / unit))
    return {
      title: `Speed, ${name}/h`,
      class: 'a',
      value: ({ speed_m_per_s: speed }) => speed === null ? null : speed / unit,
      text: String,
      ticks: (y) => y.ticks(4),
      domain: padded(least, most, 2),
      summary: `; speed ${(mean / unit).toFixed(1)} ${name}/h in the mean, ${most.toFixed(1)} at most`
    }
  }
  const paceOf = (speed: number) => metres / speed
  const slowest = Math.min(paceOf(mean) * SLOWEST_OF_MEAN, paceOf(Math.min(...speeds)))
  const fastest = paceOf(Math.max(...speeds))
  const [low, high] = padded(fastest, slowest, 10)
  return {
    title: `Pace, min/${name}`,
    class: 'a',
    value: ({ speed_m_per_s: speed }) => speed === null ? null : paceOf(speed),
    text: clock,
    ticks: () => clockTicks(low, high, 4),
    domain: [high, low],
    summary: `; pace ${clock(paceOf(mean))} min/${name} in the mean, ${clock(fastest)} at the fastest`
  }
}

function heartRatePanel (points: readonly CurvePoint[]): Panel | undefined {
  const rates = valuesOf(points, ({ heart_rate_bpm: rate }) => rate)
  if (rates.length === 0) return undefined
  const [least, most] = extent(rates)
  return {
    title: 'Heart rate, bpm',
    class: 'b',
    value: ({ heart_rate_bpm: rate }) => rate,
    text: String,
    ticks: (y) => y.ticks(4),
    domain: padded(least, most, 10),
    summary: `; heart rate from ${Math.round(least)} to ${Math.round(most)} bpm`
  }
}

function altitudePanel (points: readonly CurvePoint[], units: Units): Panel | undefined {
  const { name, metres } = heightUnit(units)
  const heights = valuesOf(points, ({ altitude_m: height }) => height)
  if (heights.length === 0) return undefined
  const [least, most] = extent(heights.map((height) => height / metres))
  return {
    title: `Altitude, ${name}`,
    class: 'c',
    value: ({ altitude_m: height }) => height === null ? null : height / metres,
    text: (value) => value.toLocaleString('en-US'),
    ticks: (y) => y.ticks(4),
    domain: padded(least, most, 20),
    isArea: true,
    summary: `; altitude from ${Math.round(least)} to ${Math.round(most)} ${name}`
  }
}

function valuesOf (points: readonly CurvePoint[], value: (point: CurvePoint) => number | null): number[] {
  return points.flatMap((point) => value(point) ?? [])
}

function extent (values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)]
}

/** The range with some space around it, of at least `least`. */
function padded (low: number, high: number, least: number): [number, number] {
  const space = Math.max((high - low) * 0.08, (least - (high - low)) / 2)
  return [low - space, high + space]
}
