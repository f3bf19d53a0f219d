/**
 * Numbers from 0 to 1 that are the same for the same seed (mulberry32).
 * Ettinger, T. (2017), public domain.
 */
export function random (seed) {
  let state = seed >>> 0
  return () => {
    state = state + 0x6d2b79f5 >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ mixed >>> 15, mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
    return ((mixed ^ mixed >>> 14) >>> 0) / 4_294_967_296
  }
}
