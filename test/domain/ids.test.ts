import t from 'tap'
import { validate, version } from 'uuid'
import { newId, randomId } from '../../src/ids.ts'

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

t.test('random ids are of version 4, each another, and all else of them is random', async (t) => {
  const ids = Array.from({ length: 20_000 }, randomId)
  t.ok(ids.every((id) => validate(id) && version(id) === 4))
  t.equal(new Set(ids).size, ids.length)
  const found = Array.from({ length: 36 }, (_, i) => [...new Set(ids.map((id) => id[i]))].sort().join(''))
  const digits = '0123456789abcdef'
  t.same(found, [...'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx'].map((place) => ({ x: digits, y: '89ab' })[place] ?? place))
})
