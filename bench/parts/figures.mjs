// Arithmetic of measurements.

/** The middle one; of an even number, the mean of the two in the middle. */
export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The value below which `share` of all lie. */
export function quantile (values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** Median, and the range from the smallest to the largest. */
export function summary (values) {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/** Slope of the line through the points by least squares, in units of `ys` for one of `xs`. */
export function slope (xs, ys) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x0, y0] = [mean(xs), mean(ys)]
  const over = xs.reduce((sum, x, i) => sum + (x - x0) * (ys[i] - y0), 0)
  const under = xs.reduce((sum, x) => sum + (x - x0) ** 2, 0)
  return under === 0 ? 0 : over / under
}

/** `12.3`, for tables. */
export function fixed (value, digits = 1) {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}
