import { describe, expect, it } from 'vitest'
import { HashFilter } from '../../src/state/hash-filter.ts'
import { hashKey } from '../../src/stream/key-group.ts'

describe('a filter of hashes', () => {
  it('says yes to all that it has, and seldom to others', () => {
    const filter = new HashFilter(2 ** 12)
    const hashes = Array.from({ length: 1128 }, (_, index) => hashKey(Buffer.from(`key ${index}`)))
    const [added, others] = [hashes.slice(0, 128), hashes.slice(128)]
    // Of both signs, as a hash is kept with or without one.
    for (const hash of added) filter.add(hash | 0)
    expect(added.every((hash) => filter.mayHave(hash))).toBe(true)
    expect(others.filter((hash) => filter.mayHave(hash)).length).toBeLessThan(100)
    filter.clear()
    expect(hashes.some((hash) => filter.mayHave(hash))).toBe(false)
  })
})
