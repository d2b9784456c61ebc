import { describe, expect, it } from 'vitest'
import { expiryBucketOf, expiryEndOf, noExpiry } from '../../src/checkpoint/expiry-bucket.ts'
import { PageTable } from '../../src/checkpoint/page-table.ts'

const soon = expiryBucketOf(100_000)

describe('the table of pages', () => {
  it('lets a page go when all its records have lost their place with a complete checkpoint', () => {
    const table = filled([[noExpiry, noExpiry]])
    table.retire(0, 1)
    expect(table.moveTail(1, 5, 0)).toBe(false)
    table.retire(0, 3)
    expect(table.moveTail(1, 2, 0)).toBe(false)
    expect(table.moveTail(1, 3, 0)).toBe(true)
    expect([table.tail, table.records, table.live]).toEqual([1, 0, 0])
  })

  it('lets a page go when the last of its records has run out', () => {
    const table = filled([[soon, soon + 1, null]])
    expect(table.moveTail(1, 1, expiryEndOf(soon + 1) - 1)).toBe(false)
    expect(table.moveTail(1, 1, expiryEndOf(soon + 1))).toBe(true)
  })

  it('lets no page go before an older one, nor one that is not to be looked at', () => {
    const table = filled([[noExpiry], [soon], [soon]])
    expect(table.moveTail(3, 1, Infinity)).toBe(false)
    table.retire(0, 1)
    expect(table.moveTail(2, 1, Infinity)).toBe(true)
    expect([table.tail, table.live]).toEqual([2, 1])
  })

  it('knows what it knew when it has grown, wherever its numbers begin', () => {
    const table = new PageTable()
    table.startAt(2 ** 33 + 77)
    for (let index = 0; index < 1000; index++) {
      const page = table.add()
      table.addRecord(page, index % 2 === 0 ? soon : noExpiry)
      if (index % 2 === 1) table.retire(page, 1)
      if (index === 99) table.moveTail(page, 1, Infinity)
    }
    expect([table.head - table.tail, table.records, table.live]).toEqual([901, 901, 450])
    table.moveTail(table.head, 1, Infinity)
    expect([table.tail, table.records, table.live]).toEqual([2 ** 33 + 1077, 0, 0])
  })
})

/** @param pages the expiry of each record of each page */
function filled(pages: readonly (readonly (number | null)[])[]): PageTable {
  const table = new PageTable()
  for (const records of pages) {
    const page = table.add()
    for (const expiry of records) table.addRecord(page, expiry)
  }
  return table
}
