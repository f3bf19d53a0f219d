/** Names of other programs that resemble a variable of this service. */
const FOREIGN = new Set(['APP_HOME', 'POST'])

/** A name up to this length is so short that two edits make a different word of it: HOST and HOME, PORT and PATH. */
const SHORT = 7

/**
 * The known name of which `name` is probably a misspelling, or undefined: at most two letters changed, added, omitted
 * or swapped (one in a short name), ignoring case. Each known name also has the form `name_FILE`.
 */
export function nearMiss (name: string, known: readonly string[]): string | undefined {
  const spelt = name.toUpperCase()
  if (FOREIGN.has(spelt)) return undefined
  let best: string | undefined
  let least = Infinity
  for (const plain of known) {
    for (const candidate of [plain, `${plain}_FILE`]) {
      const allowed = plain.length <= SHORT ? 1 : 2
      if (Math.abs(candidate.length - spelt.length) > allowed) continue
      const steps = distance(spelt, candidate)
      if (steps <= allowed && steps < least) {
        best = candidate
        least = steps
      }
    }
  }
  return best
}

/**
 * The Damerau-Levenshtein distance of two names (optimal string alignment): the number of letters to change, add, omit
 * or swap with the next.
 *
 * Damerau, F. J. (1964), Communications of the ACM 7(3).
 */
export function distance (a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let steps = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps = Math.min(steps, before[j - 2]! + 1)
      row.push(steps)
    }
    before = above
    above = row
  }
  return above[b.length]!
}
