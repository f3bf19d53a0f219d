import { randomBytes } from 'node:crypto'
import { receiveMessageOnPort } from 'node:worker_threads'
import fc from 'fast-check'
import t from 'tap'
import { ParkedBytes, returnPieces, takeParked } from '../../src/workers/parked-bytes.ts'

t.test('bytes come out as they went in, however they were cut, copied or given', async t => {
  const sizes = fc.array(
    fc.oneof(fc.nat(40), fc.integer({ min: 10_000, max: 70_000 }), fc.constantFrom(0, 16_384, 65_536, 65_537, 200_000)),
    { maxLength: 20 }
  )
  fc.assert(fc.property(sizes, fc.infiniteStream(fc.constantFrom('put', 'give', 'give alone')), (sizes, ways) => {
    // Never alone in its memory.
    const whole = randomBytes(sizes.reduce((sum, size) => sum + size, 1)).subarray(1)
    const file = new ParkedBytes()
    let at = 0
    for (const size of sizes) {
      const part = whole.subarray(at, at += size)
      const way = ways.next().value
      if (way === 'put') file.put(part)
      else file.give(way === 'give' ? part : new Uint8Array(part))
    }
    t.equal(file.sizeBytes, whole.length)
    t.ok(whole.equals(takeParked(file.exit())))
    file.close()
  }))
})

t.test('what is given is gone, where it is large and has its memory to itself', async t => {
  const large = new Uint8Array(20_000)
  const small = new Uint8Array(1000)
  const shared = new Uint8Array(40_000)
  const file = new ParkedBytes()
  for (const bytes of [large, small, shared.subarray(0, 20_000)]) file.give(bytes)
  t.same([large.length, small.length, shared.length], [0, 1000, 40_000])
  file.close()
})

t.test('they stay whose they were, and a later change of them does not come over', async t => {
  const bytes = Buffer.alloc(100_000, 'lap')
  const file = new ParkedBytes()
  file.put(bytes)
  t.equal(bytes.length, 100_000)
  bytes.fill(0)
  t.equal(Buffer.from(takeParked(file.exit())).indexOf(0), -1)
  file.close()
})

t.test('a hundred thousand bytes one by one are few messages', async t => {
  const file = new ParkedBytes()
  for (let i = 0; i < 100_000; i++) file.put(Buffer.from([i]))
  const { port, sizeBytes } = file.exit()
  t.equal(sizeBytes, 100_000)
  let messages = 0
  while (receiveMessageOnPort(port) !== undefined) messages++
  t.equal(messages, 2)
  file.close()
})

t.test('what nobody takes is let go of when it is closed, handed over or not', async t => {
  const file = new ParkedBytes()
  file.put(Buffer.alloc(1_000_000))
  const { port } = file.exit()
  // Without a listener for messages: that would receive them.
  const ended = new Promise((resolve) => port.once('close', resolve))
  file.close()
  await ended
  const residentMib = () => process.memoryUsage.rss() / 1_048_576
  const before = residentMib()
  for (let i = 0; i < 40; i++) {
    const dropped = new ParkedBytes()
    dropped.put(Buffer.alloc(10_000_000))
    dropped.close()
    // Its ports close in the next turn.
    await new Promise(setImmediate)
  }
  t.ok(residentMib() - before < 200, `${Math.round(residentMib() - before)} MiB of 381 are held`)
})

t.test('what is sent back comes piece by piece, from the first each time, and is gone with the next', async t => {
  const file = new ParkedBytes()
  const exit = file.exit()
  takeParked(exit)
  const pieces = [1, 2, 3].map((value) => new Uint8Array(20_000).fill(value))
  returnPieces(exit, pieces)
  t.same(pieces.map(({ length }) => length), [0, 0, 0])
  const firsts = (most: number) => {
    const found = []
    const seen = []
    for (const piece of file.returned()) {
      t.equal(seen.at(-1)?.length ?? 0, 0, 'the one before is gone')
      seen.push(piece)
      found.push(piece[0])
      if (found.length === most) break
    }
    t.ok(seen.every(({ length }) => length === 0))
    return found
  }
  t.same(firsts(9), [1, 2, 3])
  t.same(firsts(1), [1])
  t.same(firsts(2), [1, 2])
  t.same(firsts(3), [1, 2, 3])
  t.same(firsts(9), [1, 2, 3])
  file.close()
  await new Promise(setImmediate)
  t.same(firsts(9), [], 'nor is any kept longer than the file')
})

t.test('half of them are never taken for the whole', async t => {
  const file = new ParkedBytes()
  file.put(Buffer.alloc(70_000))
  const { port, sizeBytes } = file.exit()
  t.throws(() => takeParked({ port, sizeBytes: sizeBytes + 1 }), { message: 'Of 70001 bytes 70000 came over' })
  file.close()
})
