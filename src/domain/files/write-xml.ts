const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
// What XML 1.0 cannot hold, however it is written.
// eslint-disable-next-line no-control-regex
const IMPOSSIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu

/** Text for XML, also for an attribute. */
export function xmlText (text: string): string {
  return text.replace(IMPOSSIBLE, '').replace(/[&<>"]/g, (character) => ENTITIES[character]!)
}

/** An element with a number; nothing where that is unknown. */
export function xmlNumber (name: string, value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return ''
  return `<${name}>${Number(value.toFixed(decimals))}</${name}>`
}

/** The moment, to the millisecond, so many seconds after the start. */
export function xmlMoment (startMs: number, seconds: number): string {
  return new Date(Math.round(startMs + seconds * 1000)).toISOString()
}
