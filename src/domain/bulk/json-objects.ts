const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\[]{}')

/**
 * The objects of a JSON text that stand `depth` levels deep, one by one, so that no list of thousands is read at once.
 * One that cannot be read is left out; one longer than `maxBytes` is, too.
 */
export async function * jsonObjects (
  chunks: AsyncIterable<Buffer>,
  depth: number,
  maxBytes: number
): AsyncGenerator<unknown> {
  let level = 0
  let inText = false
  let escaped = false
  let kept: Buffer[] = []
  let keptBytes = 0
  for await (const chunk of chunks) {
    let from = level > depth ? 0 : -1
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (inText) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inText = false
      } else if (byte === QUOTE) {
        inText = true
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (level === depth) {
          from = at
          kept = []
          keptBytes = 0
        }
        level++
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        level--
        if (level !== depth || from === -1) continue
        kept.push(chunk.subarray(from, at + 1))
        from = -1
        if (keptBytes + kept.at(-1)!.length <= maxBytes) yield * parsed(Buffer.concat(kept))
      }
    }
    if (from === -1) continue
    keptBytes += chunk.length - from
    if (keptBytes > maxBytes) kept = []
    else kept.push(chunk.subarray(from))
  }
}

function * parsed (bytes: Buffer): Generator<unknown> {
  try {
    yield JSON.parse(bytes.toString('utf8'))
  } catch {
    // Damaged: the others may not be.
  }
}
