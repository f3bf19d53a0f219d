import { crc32, deflateRawSync } from 'node:zlib'

/** A file of a ZIP archive that is written byte by byte; what is not given is what a well-behaved program writes. */
export interface ZipEntry {
  /** Bytes: in an encoding of one's own. */
  name: string | Buffer
  data?: Buffer
  /** 0 stored, 8 Deflate. */
  method?: number
  flags?: number
  /** The high byte: the system that made it, 3 for Unix. */
  madeBy?: number
  attributes?: number
  extra?: Buffer
  /** What the directory says, whatever is true. */
  says?: { size?: number, packedSize?: number, crc?: number, offset?: number }
  /** The packed bytes instead of those of `data`. */
  packed?: Buffer
  /** Writes sizes and the offset as ZIP64 does. */
  zip64?: boolean
}

export interface ZipEnd {
  /** What the end says of the number of entries. */
  count?: number
  /** Writes the end as ZIP64 does. */
  zip64?: boolean
  comment?: string
}

/**
 * A ZIP archive of these entries, hostile where they are.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function writeZip (entries: ZipEntry[], end: ZipEnd = {}): Buffer {
  const locals: Buffer[] = []
  const records: Buffer[] = []
  let at = 0
  for (const entry of entries) {
    const { header, packed } = localFile(entry)
    records.push(directoryRecord(entry, packed.length, at))
    locals.push(header, packed)
    at += header.length + packed.length
  }
  const directory = Buffer.concat(records)
  return Buffer.concat([...locals, directory, endOf(end, end.count ?? entries.length, directory.length, at)])
}

const nameOf = ({ name }: ZipEntry): Buffer => Buffer.from(name as string)
const dataOf = ({ data }: ZipEntry): Buffer => data ?? Buffer.alloc(0)

function localFile (entry: ZipEntry): { header: Buffer, packed: Buffer } {
  const { method = 8, flags = 0, packed = method === 8 ? deflateRawSync(dataOf(entry)) : dataOf(entry) } = entry
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(20, 4)
  header.writeUInt16LE(flags, 6)
  header.writeUInt16LE(method, 8)
  header.writeUInt32LE(crc32(dataOf(entry)), 14)
  header.writeUInt32LE(packed.length, 18)
  header.writeUInt32LE(dataOf(entry).length, 22)
  header.writeUInt16LE(nameOf(entry).length, 26)
  return { header: Buffer.concat([header, nameOf(entry)]), packed }
}

function directoryRecord (entry: ZipEntry, packedBytes: number, localAt: number): Buffer {
  const { method = 8, flags = 0, madeBy = 0, attributes = 0, says = {}, zip64 = false } = entry
  const { size = dataOf(entry).length, packedSize = packedBytes, crc = crc32(dataOf(entry)), offset = localAt } = says
  const extra = zip64 ? zip64Extra([size, packedSize, offset]) : entry.extra ?? Buffer.alloc(0)
  const record = Buffer.alloc(46)
  record.writeUInt32LE(0x02014b50, 0)
  record.writeUInt16LE(madeBy << 8 | 20, 4)
  record.writeUInt16LE(20, 6)
  record.writeUInt16LE(flags, 8)
  record.writeUInt16LE(method, 10)
  record.writeUInt32LE(crc, 16)
  record.writeUInt32LE(zip64 ? 0xffffffff : packedSize, 20)
  record.writeUInt32LE(zip64 ? 0xffffffff : size, 24)
  record.writeUInt16LE(nameOf(entry).length, 28)
  record.writeUInt16LE(extra.length, 30)
  record.writeUInt32LE(attributes, 38)
  record.writeUInt32LE(zip64 ? 0xffffffff : offset, 42)
  return Buffer.concat([record, nameOf(entry), extra])
}

function zip64Extra (values: number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(8 * values.length, 2)
  for (const [i, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i)
  return extra
}

function endOf ({ zip64 = false, comment = '' }: ZipEnd, count: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(zip64 ? 0xffff : count % 0x10000, 8)
  end.writeUInt16LE(zip64 ? 0xffff : count % 0x10000, 10)
  end.writeUInt32LE(zip64 ? 0xffffffff : size, 12)
  end.writeUInt32LE(zip64 ? 0xffffffff : offset, 16)
  end.writeUInt16LE(comment.length, 20)
  if (!zip64) return Buffer.concat([end, Buffer.from(comment)])
  const record = Buffer.alloc(56)
  record.writeUInt32LE(0x06064b50, 0)
  record.writeBigUInt64LE(44n, 4)
  record.writeBigUInt64LE(BigInt(count), 24)
  record.writeBigUInt64LE(BigInt(count), 32)
  record.writeBigUInt64LE(BigInt(size), 40)
  record.writeBigUInt64LE(BigInt(offset), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(offset + size), 8)
  locator.writeUInt32LE(1, 16)
  return Buffer.concat([record, locator, end, Buffer.from(comment)])
}
