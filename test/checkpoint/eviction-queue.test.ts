import { describe, expect, it } from 'vitest'
import { EvictionQueue } from '../../src/checkpoint/eviction-queue.ts'
import { StoredEntry } from '../../src/checkpoint/stored-entry.ts'

describe('the order in which entries leave memory', () => {
  it('is that in which they came, however many come between', () => {
    const queue = new EvictionQueue()
    let came = 0
    let left = 0
    for (let round = 0; round < 50; round++) {
      for (let index = 0; index < 300; index++) queue.add(entryOf(came++), came - left)
      const names = take(queue, 100 + 5 * round)
      expect(names).toEqual(names.map((_, index) => String(left + index)))
      left += names.length
    }
    expect(queue.count).toBe(came - left)
    expect(take(queue, Infinity)).toHaveLength(came - left)
  })

  it('is another round later for an entry that was looked up', () => {
    const queue = new EvictionQueue()
    const entries = [0, 1, 2, 3].map(entryOf)
    for (const entry of entries) queue.add(entry, 4)
    ;(entries[1] as StoredEntry).referenced = true
    expect(take(queue, 2)).toEqual(['0', '2'])
    expect(take(queue, 2)).toEqual(['3', '1'])
    expect(queue.count).toBe(0)
  })

  it('leaves out what has been removed, and forgets it where that is most', () => {
    const queue = new EvictionQueue()
    const stays = entryOf(-1)
    queue.add(stays, 1)
    for (let index = 0; index < 10_000; index++) {
      const entry = entryOf(index)
      queue.add(entry, 2)
      entry.removed = true
    }
    expect(queue.count).toBeLessThan(2000)
    expect(take(queue, Infinity)).toEqual(['-1'])
  })

  it('looks at no more entries than it may', () => {
    const queue = new EvictionQueue()
    for (let index = 0; index < 10; index++) {
      const entry = entryOf(index)
      entry.referenced = index < 5
      queue.add(entry, 10)
    }
    const leaving: StoredEntry[] = []
    expect(queue.take(leaving, 32, 4)).toEqual({ count: 0, looked: 4 })
    expect(queue.take(leaving, 2, 32)).toEqual({ count: 2, looked: 3 })
    expect(namesOf(leaving)).toEqual(['5', '6'])
  })
})

function entryOf(name: number): StoredEntry {
  return new StoredEntry(String(name), name)
}

function take(queue: EvictionQueue, max: number): string[] {
  const leaving: StoredEntry[] = []
  const { count } = queue.take(leaving, max, Infinity)
  return namesOf(leaving.slice(0, count))
}

function namesOf(entries: readonly StoredEntry[]): string[] {
  return entries.map(({ key }) => key)
}
