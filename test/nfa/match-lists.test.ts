import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MatchLists } from '../../src/nfa/match-lists.ts'

test('lists hold what was written, whatever is written over and freed', () => {
  const change = fc.record({
    key: fc.nat(5),
    open: fc.array(fc.nat(1000), { maxLength: 70 }),
    waiting: fc.array(fc.nat(1000), { maxLength: 20 }),
    free: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const lists = new MatchLists()
      const known = new Map<number, { list: number; open: number[]; waiting: number[] }>()
      for (const { key, open, waiting, free } of changes) {
        const list = known.get(key)?.list ?? -1
        if (free && list !== -1) {
          lists.free(list)
          known.delete(key)
          continue
        }
        const written = lists.write(list, open.length, waiting.length)
        for (const [index, match] of [...open, ...waiting].entries()) {
          lists.set(written, index, match)
        }
        known.set(key, { list: written, open, waiting })
      }
      for (const { list, open, waiting } of known.values()) {
        const count = lists.openCount(list) + lists.waitingCount(list)
        const read = Array.from({ length: count }, (_, index) => lists.matchAt(list, index))
        expect([lists.openCount(list), read]).toEqual([open.length, [...open, ...waiting]])
      }
      for (const { list } of known.values()) lists.free(list)
      expect(lists.bytes).toBe(0)
    }),
    { numRuns: 300 },
  )
})
