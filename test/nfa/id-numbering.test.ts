import { describe, expect, it } from 'vitest'
import { IdNumbering } from '../../src/nfa/id-numbering.ts'

describe('numbers of ids', () => {
  it.each([3, 17, 2000])('are given in their order, %i of them, again and again', (count) => {
    const numbering = new IdNumbering()
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < count; index++) numbering.add(7 * index + round)
      expect(numbering.count).toBe(count)
      for (let index = 0; index < count; index++) {
        expect(numbering.numberOf(7 * index + round)).toBe(index)
        expect(numbering.idAt(index)).toBe(7 * index + round)
      }
      expect(numbering.numberOf(-1)).toBe(-1)
      numbering.clear()
      expect(numbering.count).toBe(0)
      expect(numbering.numberOf(round)).toBe(-1)
    }
  })
})
