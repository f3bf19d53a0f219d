import { METRES_PER_KM, METRES_PER_MILE } from '../units.ts'
import {
  INTENSITIES, MAX_DEPTH, MAX_STEPS, MAX_TIMES, MIN_TIMES, RANGES, type Intensity, type Step, type StepEnd,
  type StepTarget, type WorkoutStep
} from './steps.ts'

/** A text that is not in the grammar of docs/WORKOUTS.md, with the place of the first error, both counted from 1. */
export class StepTextError extends Error {
  readonly line: number
  /** In code points: a tab and an emoji are one each. */
  readonly column: number

  constructor (message: string, line: number, column: number) {
    super(message)
    this.name = 'StepTextError'
    this.line = line
    this.column = column
  }
}

/** A word of a line; `at`: its index in UTF-16 code units. */
interface Token {
  text: string
  at: number
}

interface Line {
  number: number
  text: string
  /** How deep it is indented. */
  level: number
  tokens: Token[]
}

/** The longest text: fifty steps of the longest spelling and as many empty lines. */
export const MAX_TEXT = 10_000

/**
 * The steps that a text stands for, one a line; see docs/WORKOUTS.md for the grammar.
 * @throws StepTextError at the first place that is not in the grammar
 */
export function parseSteps (text: string): WorkoutStep[] {
  const lines: Line[] = []
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    if (raw.trim() === '') continue
    if (lines.length === MAX_STEPS) throw new StepTextError(`There are more than ${MAX_STEPS} steps`, index + 1, 1)
    lines.push(lineOf(raw, index + 1))
  }
  if (lines.length === 0) throw new StepTextError('There is no step', 1, 1)
  const steps: WorkoutStep[] = []
  const rest = readLevel(lines, 0, 0, steps)
  if (rest < lines.length) fail(lines[rest]!, 0, 'The line is indented, but not below a repeat')
  return steps
}

/** Reads lines of one level into `steps`; answers the index of the first line that is not of it. */
function readLevel (lines: Line[], from: number, level: number, steps: WorkoutStep[]): number {
  let index = from
  while (index < lines.length && lines[index]!.level === level) {
    const line = lines[index]!
    const times = timesOf(line)
    if (times === null) {
      steps.push(stepOf(line))
      index++
      continue
    }
    if (level >= MAX_DEPTH) fail(line, line.tokens[0]!.at, `Repeats are nested deeper than ${MAX_DEPTH}`)
    const inner: WorkoutStep[] = []
    index = readLevel(lines, index + 1, level + 1, inner)
    if (inner.length === 0) {
      fail(line, line.tokens[0]!.at, 'The repeat has no steps: indent them by two spaces on the lines below it')
    }
    steps.push({ type: 'repeat', times, steps: inner })
  }
  const next = lines[index]
  if (next !== undefined && next.level > level) fail(next, 0, 'The line is indented, but not below a repeat')
  return index
}

function fail ({ text, number }: Pick<Line, 'text' | 'number'>, at: number, message: string): never {
  throw new StepTextError(message, number, [...text.slice(0, at)].length + 1)
}

function lineOf (text: string, number: number): Line {
  const indent = /^[ \t]*/.exec(text)![0]
  const spaces = indent.replaceAll('\t', '  ').length
  const line: Line = { number, text, level: spaces / 2, tokens: [] }
  if (spaces % 2 !== 0) fail(line, indent.length, 'The line must be indented by two spaces or one tab for each level')
  if (text[indent.length] !== '-') fail(line, indent.length, 'A line must begin with "- "')
  const start = indent.length + 1
  for (const match of text.slice(start).matchAll(/\S+/g)) line.tokens.push({ text: match[0], at: start + match.index })
  const [first] = line.tokens
  if (first === undefined) fail(line, text.length, 'There is no step after "-"')
  if (first.at === start) fail(line, start, 'There must be a space after "-"')
  return line
}

/** How often the line repeats those below it; null for a step. */
function timesOf (line: Line): number | null {
  const [first, second, third] = line.tokens as [Token, Token?, Token?]
  const joined = /^(\d+)[x×]$/i.exec(first.text)
  const apart = joined === null && /^\d+$/.test(first.text) && /^[x×]$/i.test(second?.text ?? '')
  if (joined === null && !apart) return null
  const after = apart ? third : second
  if (after !== undefined) fail(line, after.at, 'Nothing may follow the number of repeats: its steps are on the lines below')
  const times = Number(joined?.[1] ?? first.text)
  if (!(times >= MIN_TIMES && times <= MAX_TIMES)) {
    fail(line, first.at, `A repeat must be run ${MIN_TIMES} to ${MAX_TIMES} times`)
  }
  return times
}

/** What has been read of a step, and of what. */
interface Partial {
  end?: StepEnd
  target?: StepTarget
  intensity?: Intensity
}

function stepOf (line: Line): Step {
  const read: Partial = {}
  const tokens = [...line.tokens]
  while (tokens.length > 0) {
    const token = tokens.shift()!
    readToken(line, token, tokens, read)
  }
  if (read.end === undefined) {
    fail(line, line.text.trimEnd().length, 'The step has no end: a distance, a time, "lap" or "until 150bpm"')
  }
  const { end, target, intensity = 'active' } = read
  return { type: 'step', intensity, end, ...(target === undefined ? {} : { target }) }
}

function readToken (line: Line, token: Token, rest: Token[], read: Partial): void {
  const word = token.text.toLowerCase()
  if (INTENSITIES.includes(word as Intensity)) {
    if (read.intensity !== undefined) fail(line, token.at, 'The step has an intensity already')
    read.intensity = word as Intensity
    return
  }
  const end = word === 'until' ? untilOf(line, token, rest) : endOf(line, token, word, rest)
  if (end !== null) {
    if (read.end !== undefined) fail(line, token.at, 'The step has an end already')
    read.end = end
    return
  }
  const target = targetOf(line, token, word, rest)
  if (target === null) {
    fail(line, token.at, 'This is neither an end ("2km", "90s", "lap"), a target ("4:10-4:20/km", "@z2") nor an intensity ("rest")')
  }
  if (read.target !== undefined) fail(line, token.at, 'The step has a target already')
  read.target = target
}

function untilOf (line: Line, token: Token, rest: Token[]): StepEnd {
  const bpm = rest.shift()
  const value = /^(\d+(?:\.\d+)?)bpm$/i.exec(bpm?.text ?? '')?.[1]
  if (value === undefined) fail(line, bpm?.at ?? token.at, 'After "until" there must be a heart rate, like "150bpm"')
  return { type: 'heart_rate', value: inRange(line, bpm!, Number(value), 'heart_rate', 'A heart rate', 'bpm') }
}

const METRES: Record<string, number> = { m: 1, km: METRES_PER_KM, mi: METRES_PER_MILE }
const SECONDS: Record<string, number> = { s: 1, sec: 1, min: 60, h: 3600 }

/** The end that a word stands for; null where it is no end. A number may stand apart from its unit: `2 km`. */
function endOf (line: Line, token: Token, word: string, rest: Token[]): StepEnd | null {
  if (word === 'lap') return { type: 'lap_button' }
  const unit = rest[0]?.text.toLowerCase()
  const isApart = /^\d+(\.\d+)?$/.test(word) && unit !== undefined && (unit in METRES || unit in SECONDS)
  if (isApart) rest.shift()
  const whole = isApart ? word + unit : word
  const [, amount, measure] = /^(\d+(?:\.\d+)?)(m|km|mi)$/.exec(whole) ?? []
  if (amount !== undefined) {
    const metres = multiplied(amount, METRES[measure!]!)
    return { type: 'distance', value: inRange(line, token, metres, 'distance', 'A distance', 'm') }
  }
  const seconds = secondsOf(whole)
  return seconds === null ? null : { type: 'time', value: inRange(line, token, seconds, 'time', 'A time', 's') }
}

/** The seconds of `90s`, `1h2min3s`, `5:00` or `1:05:00`; null for anything else. */
function secondsOf (word: string): number | null {
  const clock = /^(?:(\d+):)?(\d+):([0-5]\d)$/.exec(word)
  if (clock !== null) {
    const [, hours, minutes, seconds] = clock
    if (hours !== undefined && Number(minutes) > 59) return null
    return Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(seconds)
  }
  const [, hours, minutes, seconds] = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)min)?(?:(\d+(?:\.\d+)?)s(?:ec)?)?$/.exec(word) ?? []
  if (hours === undefined && minutes === undefined && seconds === undefined) return null
  return multiplied(hours ?? '0', 3600) + multiplied(minutes ?? '0', 60) + Number(seconds ?? 0)
}

/** The nearest number to the decimal product: `1.1` km is 1100 m and not 1100.0000000000002. */
function multiplied (amount: string, by: number): number {
  const product = Number(amount) * by
  return by === 1 || Number.isInteger(product) ? product : Number(product.toPrecision(15))
}

/** The target that a word stands for, with or without `@`; null where it is no target. */
function targetOf (line: Line, token: Token, word: string, rest: Token[]): StepTarget | null {
  const bare = word.startsWith('@') ? word.slice(1) : word
  if (bare === 'open') return { type: 'open' }
  const zone = /^z(\d+)$/.exec(bare)?.[1]
  if (zone !== undefined) {
    const value = inRange(line, token, Number(zone), 'zone', 'A zone', '')
    return { type: zoneType(rest), zone: value }
  }
  const heartRate = /^(>=|<=)?(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?bpm$/.exec(bare)
  if (heartRate !== null) {
    const [, sign, low, high] = heartRate
    return rangeOf(line, token, 'heart_rate', sign, Number(low), high === undefined ? undefined : Number(high))
  }
  const pace = /^(>=|<=)?([\d.:]+)(?:-([\d.:]+))?(s?)\/(km|mi)$/.exec(bare)
  if (pace === null) return null
  const [, sign, low, high, plain, unit] = pace
  const read = (text: string): number => {
    const seconds = plain === 's' ? decimalOf(text) : clockOf(text)
    if (seconds === null) fail(line, token.at, 'A pace must be like "4:10-4:20/km" or "250.5-260s/km"')
    return unit === 'km' ? seconds : seconds / METRES_PER_MILE * METRES_PER_KM
  }
  return rangeOf(line, token, 'pace', sign, read(low!), high === undefined ? undefined : read(high))
}

/** A zone is of heart rate unless `pace` follows. */
function zoneType (rest: Token[]): 'pace' | 'heart_rate' {
  const kind = rest[0]?.text.toLowerCase()
  if (kind === 'pace' || kind === 'hr') rest.shift()
  return kind === 'pace' ? 'pace' : 'heart_rate'
}

function decimalOf (text: string): number | null {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : null
}

function clockOf (text: string): number | null {
  const [, minutes, seconds] = /^(\d+):([0-5]\d)$/.exec(text) ?? []
  return minutes === undefined ? null : Number(minutes) * 60 + Number(seconds)
}

function rangeOf (
  line: Line,
  token: Token,
  type: 'pace' | 'heart_rate',
  sign: string | undefined,
  from: number,
  to: number | undefined
): StepTarget {
  const [name, unit] = type === 'pace' ? ['A pace', 's/km'] as const : ['A heart rate', 'bpm'] as const
  const low = inRange(line, token, from, type, name, unit)
  const high = to === undefined ? low : inRange(line, token, to, type, name, unit)
  if (sign !== undefined) {
    if (to !== undefined) fail(line, token.at, 'A range has no ">=" or "<="')
    return sign === '>=' ? { type, low } : { type, high }
  }
  // Paces are written in either order: the faster one is the lower number.
  return { type, low: Math.min(low, high), high: Math.max(low, high) }
}

function inRange (
  line: Line,
  token: Token,
  value: number,
  range: keyof typeof RANGES,
  name: string,
  unit: string
): number {
  const { min, max } = RANGES[range]
  if (!(value >= min && value <= max)) fail(line, token.at, `${name} must be from ${min} to ${max}${unit === '' ? '' : ` ${unit}`}`)
  return value
}

/** The text of steps, as `parseSteps` reads it back to the same steps. */
export function formatSteps (steps: readonly WorkoutStep[], level = 0): string {
  return steps.map((step) => {
    const start = `${'  '.repeat(level)}- `
    return step.type === 'repeat'
      ? `${start}${step.times}x\n${formatSteps(step.steps, level + 1)}`
      : start + formatStep(step)
  }).join('\n')
}

function formatStep ({ end, target, intensity }: Step): string {
  return [formatEnd(end), target === undefined ? '' : formatTarget(target), intensity === 'active' ? '' : intensity]
    .filter((part) => part !== '')
    .join(' ')
}

function formatEnd ({ type, value = 0 }: StepEnd): string {
  switch (type) {
    case 'lap_button': return 'lap'
    case 'heart_rate': return `until ${value}bpm`
    case 'distance': {
      const km = String(value / METRES_PER_KM)
      return value >= METRES_PER_KM && multiplied(km, METRES_PER_KM) === value ? `${km}km` : `${value}m`
    }
    default: return formatTime(value)
  }
}

/** Up to two minutes in seconds, unless they are whole minutes. */
function formatTime (seconds: number): string {
  if (!Number.isInteger(seconds) || (seconds < 120 && seconds % 60 !== 0)) return `${seconds}s`
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}min` : ''}${rest > 0 ? `${rest}s` : ''}`
}

function formatTarget ({ type, low, high, zone }: StepTarget): string {
  if (type === 'open') return 'open'
  if (zone !== undefined) return `@z${zone}${type === 'pace' ? ' pace' : ''}`
  const isClock = type === 'pace' && [low, high].every((value) => value === undefined || Number.isInteger(value))
  const unit = type === 'heart_rate' ? 'bpm' : isClock ? '/km' : 's/km'
  const number = (value: number): string => isClock ? formatClock(value) : String(value)
  if (low === undefined) return `<=${number(high!)}${unit}`
  if (high === undefined) return `>=${number(low)}${unit}`
  return low === high ? `${number(low)}${unit}` : `${number(low)}-${number(high)}${unit}`
}

function formatClock (seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
