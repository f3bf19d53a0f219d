/**
 * Text that JSON does not escape: printable ASCII except the quotation mark and the backslash. Most strings of a log
 * line are of this kind, and this test is several times cheaper than JSON.stringify.
 */
const PLAIN = /^[ !#-[\]-~]*$/

/** A string as JSON text with quotation marks. Lone surrogates are escaped, so that a line is valid UTF-8. */
export function quote (text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/**
 * Like {@link quote}, but at most `maxBytes` of UTF-8 long including the quotation marks (at least 8): a longer text
 * ends with an ellipsis.
 */
export function clip (text: string, maxBytes: number): string {
  // A code unit takes at most six bytes: \u0000.
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
