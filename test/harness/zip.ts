import { crc32, inflateRawSync } from 'node:zlib'

/**
 * The files of a ZIP archive by its central directory, each checked against its size and checksum.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function unzip (zip: Buffer): Map<string, Buffer> {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end === -1) throw new Error('Not a whole ZIP')
  const files = new Map<string, Buffer>()
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== 0x02014b50) throw new Error(`No directory entry at ${at}`)
    const [method, sum, packedSize, size] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 16),
      zip.readUInt32LE(at + 20),
      zip.readUInt32LE(at + 24)
    ]
    const [nameSize, extraSize, commentSize, local] = [
      zip.readUInt16LE(at + 28),
      zip.readUInt16LE(at + 30),
      zip.readUInt16LE(at + 32),
      zip.readUInt32LE(at + 42)
    ]
    const name = zip.toString('utf8', at + 46, at + 46 + nameSize)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const packed = zip.subarray(start, start + packedSize)
    const bytes = method === 0 ? packed : inflateRawSync(packed)
    if (bytes.length !== size || crc32(bytes) !== sum) throw new Error(`${name} is not what it was`)
    files.set(name, bytes)
    at += 46 + nameSize + extraSize + commentSize
  }
  return files
}
