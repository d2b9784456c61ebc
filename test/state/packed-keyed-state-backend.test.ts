import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyBatch } from '../../src/state/keyed-state-backend.ts'
import type { PackedEntry } from '../../src/state/packed-entry.ts'
import { PackedKeyedStateBackend } from '../../src/state/packed-keyed-state-backend.ts'

const longKey = 'a key that has more bytes than a record has room for, \u00ff'

describe('the packed backend', () => {
  it('answers as a Map does, whatever is made, changed, looked up together and removed', () => {
    const key = fc.oneof(
      fc.stringMatching(/^[a-d]{0,4}$/),
      fc.constantFrom(longKey, `${longKey}.`, `${longKey}!`, 'x'.repeat(24), 'x'.repeat(25), '\0'),
    )
    // Few hashes, and some that meet at the end of a table: long probes that wrap around.
    const hashOf = fc.constantFrom(0, 1, 1023, 1022, -1, 0x7fffffff, -0x80000000)
    const operation = fc.record({
      kind: fc.constantFrom('make', 'make', 'look up', 'remove'),
      keys: fc.array(key, { minLength: 1, maxLength: 4 }),
      slot: fc.nat(2),
      state: fc.integer({ min: -100, max: 100 }),
    })
    fc.assert(
      fc.property(
        fc.array(hashOf, { minLength: 1, maxLength: 7 }),
        fc.array(operation, { maxLength: 300 }),
        (hashes, operations) => {
          const backend = new PackedKeyedStateBackend()
          const model = new Map<string, number[]>()
          for (const { kind, keys, slot, state } of operations) {
            const hashed = keys.map((one) => hashes[one.length % hashes.length] as number)
            const entries = lookUp(backend, keys, hashed)
            expect(entries.map(slotsOf)).toEqual(keys.map((one) => model.get(one)))
            const [first] = keys as [string]
            const known = model.get(first)
            if (kind === 'make') {
              const entry = entries[0] ?? make(backend, first, hashed[0] as number)
              entry.set(slot, state)
              const slots = known ?? [-1, -1, -1]
              slots[slot] = state
              model.set(first, slots)
              expect(find(backend, first, hashed[0] as number)?.key).toBe(first)
            } else if (kind === 'remove' && entries[0] !== undefined) {
              backend.remove(entries[0])
              model.delete(first)
              expect(entries[0].removed).toBe(true)
              expect(find(backend, first, hashed[0] as number)).toBeUndefined()
            }
          }
          expect(backend.size).toBe(model.size)
          expect(contentOf(backend)).toEqual(new Map(model))
        },
      ),
      { numRuns: 300, seed: 20260101 },
    )
  })

  it('stays right beyond its first capacity', () => {
    const backend = new PackedKeyedStateBackend()
    const keys = Array.from({ length: 5000 }, (_, i) => `key ${i}`)
    // Four keys to a hash, and hashes that differ in their high bits only.
    const hash = (i: number) => (i % 1250) * 4096
    keys.forEach((key, i) => {
      make(backend, key, hash(i)).set(0, i)
    })
    for (let i = 0; i < keys.length; i += 3) {
      backend.remove(find(backend, keys[i] as string, hash(i)) as PackedEntry)
    }
    const wrong = keys.filter(
      (key, i) => find(backend, key, hash(i))?.get(0) !== (i % 3 === 0 ? undefined : i),
    )
    expect([wrong, backend.size]).toEqual([[], 3333])
  })

  it('gives no record of a removed key to another as long as views may be at it', () => {
    const backend = new PackedKeyedStateBackend()
    make(backend, 'a', 1)
    const [view] = lookUp(backend, ['a'], [1])
    backend.remove(view as PackedEntry)
    make(backend, 'b', 2)
    expect(view?.removed).toBe(true)
    lookUp(backend, ['b'], [2])
    for (let i = 0; i < 100; i++) make(backend, `key ${i}`, i)
    expect(backend.records).toBe(102 - 1)
  })

  it('has times of a new key unset, whoever had its record', () => {
    const backend = new PackedKeyedStateBackend()
    const first = make(backend, 'a', 1)
    first.timerAt = 5
    first.sweepAt = 6
    expect([first.timerAt, first.hasTimerBy(4), first.hasTimerBy(5), first.sweepAt]).toEqual([
      5,
      false,
      true,
      6,
    ])
    backend.remove(first)
    lookUp(backend, [], [])
    const next = make(backend, 'b', 1)
    expect([next.record, next.timerAt, next.sweepAt, slotsOf(next)]).toEqual([
      0,
      Infinity,
      Infinity,
      [-1, -1, -1],
    ])
  })

  it('sweeps over all records in turn, and finds those that are due and still there', () => {
    const backend = new PackedKeyedStateBackend()
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
    keys.forEach((key, i) => {
      make(backend, key, i).sweepAt = i
    })
    backend.remove(find(backend, 'k3', 3) as PackedEntry)
    const entries = [undefined, undefined] as (PackedEntry | undefined)[]
    const found: string[] = []
    for (let left = 10; left > 0; ) {
      const swept = backend.sweep(left, 5, entries)
      left = swept.left
      for (const entry of entries.slice(0, swept.due)) found.push(entry?.key as string)
    }
    expect(found.sort()).toEqual(['k0', 'k1', 'k2', 'k4', 'k5'])
  })
})

function bytesOf(key: string): Buffer {
  return Buffer.from(`<${key}>`, 'latin1')
}

function find(backend: PackedKeyedStateBackend, key: string, hash: number) {
  return backend.find(bytesOf(key), 1, key.length + 1, hash)
}

function make(backend: PackedKeyedStateBackend, key: string, hash: number): PackedEntry {
  return backend.create(bytesOf(key), 1, key.length + 1, hash)
}

function lookUp(backend: PackedKeyedStateBackend, keys: readonly string[], hashes: number[]) {
  const batch: KeyBatch = {
    arenas: ['', ...keys].map(bytesOf),
    keyStarts: Int32Array.from(['', ...keys], () => 1),
    keyEnds: Int32Array.from(['', ...keys], (key) => key.length + 1),
    hashes: Int32Array.from([0, ...hashes]),
  }
  const entries: (PackedEntry | undefined)[] = []
  backend.findAll(batch, 1, keys.length + 1, entries)
  return entries
}

function slotsOf(entry: PackedEntry | undefined): number[] | undefined {
  return entry === undefined ? undefined : [0, 1, 2].map((slot) => entry.get(slot))
}

function contentOf(backend: PackedKeyedStateBackend): Map<string, number[]> {
  const content = new Map<string, number[]>()
  for (const entry of backend.entries()) content.set(entry.key, slotsOf(entry) as number[])
  return content
}
