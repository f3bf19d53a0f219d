import { METRES_PER_KM, METRES_PER_MILE } from '../../domain/units.ts'

export type Units = 'metric' | 'imperial'

export const METRES_PER_FOOT = 0.3048

/** The unit of long distances that a runner reads in. */
export function longUnit (units: Units): { name: 'km' | 'mi', metres: number } {
  return units === 'imperial' ? { name: 'mi', metres: METRES_PER_MILE } : { name: 'km', metres: METRES_PER_KM }
}

/** The unit of heights that a runner reads in. */
export function heightUnit (units: Units): { name: 'm' | 'ft', metres: number } {
  return units === 'imperial' ? { name: 'ft', metres: METRES_PER_FOOT } : { name: 'm', metres: 1 }
}

/** Seconds as `4:05`, from an hour on `1:02:03`; whole seconds. */
export function clock (seconds: number): string {
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(whole / 60) % 60
  return whole >= 3600
    ? `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`
}

/** Round steps of a pace or a time, in seconds. */
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]

/** Round times from one to another, at most `count` of them. */
export function clockTicks (from: number, to: number, count: number): number[] {
  const step = CLOCK_STEPS.find((each) => (to - from) / each <= count) ?? (to - from) / count
  const ticks: number[] = []
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick)
  return ticks
}
