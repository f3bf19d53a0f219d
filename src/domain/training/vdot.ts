// Daniels, J., Gilbert, J. (1979), Oxygen Power: Performance Tables for Distance Runners. Distances in metres, times in
// seconds, speeds in metres per second; oxygen uptake in ml per kg and minute.

const SECONDS_PER_MINUTE = 60

/** Oxygen uptake of running: VO₂(v) = −4.60 + 0.182258·v + 0.000104·v², v in metres per minute. */
const UPTAKE = { constant: -4.6, linear: 0.182258, square: 0.000104 } as const

/** Races that the formula was made from, in seconds: 3.5 to 240 minutes. Outside it extrapolates. */
export const FITTED_S = { least: 3.5 * 60, most: 240 * 60 } as const

/** Race times that are searched, in seconds: wider than any that is answered. */
const SEARCHED_S = { least: 1, most: 200 * 3600 } as const

/** The oxygen uptake at a speed: −4.60 + 0.182258·v + 0.000104·v², v in m/min. */
export function oxygenUptake (speedMPerS: number): number {
  const v = speedMPerS * SECONDS_PER_MINUTE
  return UPTAKE.constant + UPTAKE.linear * v + UPTAKE.square * v ** 2
}

/** The speed, in m/s, at an oxygen uptake above −4.60: the inverse of {@link oxygenUptake}. */
export function velocityAt (uptake: number): number {
  const { constant, linear, square } = UPTAKE
  return (Math.sqrt(linear ** 2 + 4 * square * (uptake - constant)) - linear) / (2 * square) / SECONDS_PER_MINUTE
}

/**
 * The share of VO₂max that can be sustained for a time: 0.8 + 0.1894393·e^(−0.012778·t) + 0.2989558·e^(−0.1932605·t), t
 * in minutes.
 */
function sustainableShare (timeS: number): number {
  const t = timeS / SECONDS_PER_MINUTE
  return 0.8 + 0.1894393 * Math.exp(-0.012778 * t) + 0.2989558 * Math.exp(-0.1932605 * t)
}

/** VDOT of a race: the oxygen uptake at its mean speed over the share of VO₂max that its time allows. */
export function vdotOf (distanceM: number, timeS: number): number {
  return oxygenUptake(distanceM / timeS) / sustainableShare(timeS)
}

/**
 * The time, in seconds, of a race at a VDOT above 0. It has no closed form: it is found by halving an interval, in
 * which VDOT falls as the time grows, down to the last digit.
 */
export function raceTimeS (vdot: number, distanceM: number): number {
  let { least, most }: { least: number, most: number } = SEARCHED_S
  for (;;) {
    const middle = (least + most) / 2
    if (middle === least || middle === most) return middle
    if (vdotOf(distanceM, middle) > vdot) least = middle
    else most = middle
  }
}
