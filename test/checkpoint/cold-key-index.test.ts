import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ColdKeyIndex } from '../../src/checkpoint/cold-key-index.ts'

/** Few hashes, so that they meet in the table and are the same. */
const hash = fc.constantFrom(0, 1, -1, 1024, 2048, 0x7fffffff, -0x80000000, 32_769)
const change = fc.record({ hash, address: fc.nat(40), isRemoval: fc.boolean() })

describe('the index of keys on disk', () => {
  it('knows the records of each hash that were added and not removed', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const index = new ColdKeyIndex(() => false)
        const known = new Set<string>()
        for (const { hash, address, isRemoval } of changes) {
          const name = `${hash} ${address}`
          if (isRemoval) {
            index.remove(hash, address)
            known.delete(name)
          } else if (!known.has(name)) {
            index.add(hash, address, address % 7)
            known.add(name)
          }
        }
        expect(listOf(index).sort()).toEqual([...known].sort())
        expect(index.size).toBe(known.size)
        expect(index.count((expiry, address) => expiry === address % 7)).toBe(known.size)
      }),
      { numRuns: 500, seed: 20260101 },
    )
  })

  it('forgets what is gone while others are added', () => {
    let goneBelow = 0
    const index = new ColdKeyIndex((address) => address < goneBelow)
    let largest = 0
    for (let address = 0; address < 100_000; address++) {
      index.add(Math.imul(address, 0x9e3779b1), address, 0)
      goneBelow = address - 1000
      largest = Math.max(largest, index.size)
    }
    expect(largest).toBeLessThan(4000)
    for (let address = goneBelow; address < 100_000; address++) {
      const place = index.first(Math.imul(address, 0x9e3779b1))
      expect(index.addressAt(place)).toBe(address)
    }
  })
})

function listOf(index: ColdKeyIndex): string[] {
  const found: string[] = []
  for (const each of [0, 1, -1, 1024, 2048, 0x7fffffff, -0x80000000, 32_769]) {
    for (let place = index.first(each); place !== -1; place = index.next(place)) {
      found.push(`${each} ${index.addressAt(place)}`)
    }
  }
  return found
}
