/**
 * What JSON writes as it is: printable ASCII but for the quotation mark and the backslash. Most strings of a log line
 * are nothing else, and to ask is several times cheaper than JSON.stringify.
 */
const PLAIN = /^[ !#-[\]-~]*$/

/** A string as JSON text, quotation marks included. Lone surrogates come out escaped, so that a line is valid UTF-8. */
export function quote (text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/**
 * As {@link quote}, but at most `maxBytes` of UTF-8 long, quotation marks included (at least 8): what is too long ends
 * in an ellipsis.
 */
export function clip (text: string, maxBytes: number): string {
  // No character of a string is written in more than six bytes: \u0000.
  if (text.length * 6 + 2 <= maxBytes) return quote(text)
  let kept = text.length > maxBytes ? text.slice(0, maxBytes) : text
  let written = quote(kept)
  while (Buffer.byteLength(written) > maxBytes || kept.length < text.length) {
    if (kept.length < text.length && Buffer.byteLength(written) + 3 <= maxBytes) return written.slice(0, -1) + '…"'
    const bytes = Buffer.byteLength(written) + 3
    const fewer = Math.min(kept.length - 1, Math.floor(kept.length * maxBytes / bytes))
    if (fewer <= 0) return '"…"'
    kept = kept.slice(0, fewer)
    written = quote(kept)
  }
  return written
}
