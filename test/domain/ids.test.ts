import t from 'tap'
import { version } from 'uuid'
import { newId } from '../../src/ids.ts'

t.test('ids are unique, of version 7, and sort in order of creation', async (t) => {
  const before = Date.now()
  const ids = Array.from({ length: 20_000 }, newId)
  t.ok(ids.every((id) => version(id) === 7))
  t.equal(new Set(ids).size, ids.length)
  t.same([...ids].sort(), ids)
  const madeAt = parseInt((ids[0] as string).replace('-', '').slice(0, 12), 16)
  t.ok(madeAt >= before && madeAt <= Date.now())
  t.equal(new Set(ids.map((id) => id.slice(-12))).size, ids.length, 'what cannot be guessed of them is another in each')
})
