import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { KeyEntry, KeyedStateBackend } from '../../src/state/keyed-state-backend.ts'

/** What every keyed state backend must keep. */
export function backendConformance(make: () => KeyedStateBackend): void {
  it('has no entry for a key that was never seen', () => {
    const backend = make()
    expect([find(backend, 'a', 1), backend.size, textsOf(backend)]).toEqual([undefined, 0, []])
  })

  it('makes one entry for each key, wherever its bytes lie', () => {
    const backend = make()
    const entry = create(backend, 'card', 7)
    const arena = Buffer.from('xxcardyy', 'latin1')
    expect(backend.findOrCreate(arena, 2, 6, 7)).toBe(entry)
    expect(backend.find(arena, 2, 6, 7)).toBe(entry)
    expect([entry.key, entry.hash, backend.size]).toEqual(['card', 7, 1])
  })

  it('knows keys apart that share a hash, a start or all but one byte', () => {
    const backend = make()
    const keys = ['a', 'ab', 'abc', 'abd', '', '\u0000', '\u0000\u0000', '\u00ff']
    const entries = keys.map((key) => create(backend, key, -1))
    expect(new Set(entries).size).toBe(keys.length)
    expect(keys.map((key) => find(backend, key, -1))).toEqual(entries)
  })

  it('keeps what is put into slots until the key is removed', () => {
    const backend = make()
    create(backend, 'a', 1).set(0, { seen: 3 })
    expect(find(backend, 'a', 1)?.get(0)).toEqual({ seen: 3 })
    backend.remove(create(backend, 'a', 1))
    expect([find(backend, 'a', 1), create(backend, 'a', 1).get(0)]).toEqual([undefined, undefined])
  })

  it('does not hold on to the bytes that a key was made from', () => {
    const backend = make()
    const arena = Buffer.from('key1', 'latin1')
    backend.findOrCreate(arena, 0, 4, 5)
    arena.fill(0)
    expect(find(backend, 'key1', 5)?.key).toBe('key1')
  })

  it('answers as a Map does, whatever is inserted, found and removed', () => {
    const key = fc.stringMatching(/^[a-d]{0,4}$/)
    // Few hashes, and some that meet at the end of a table: long probes that wrap around.
    const hashOf = fc.constantFrom(0, 1, 1023, 1022, -1, 0x7fffffff, -0x80000000)
    const operation = fc.record({
      kind: fc.constantFrom('create', 'create', 'find', 'remove'),
      key,
    })
    fc.assert(
      fc.property(
        fc.array(hashOf, { minLength: 1, maxLength: 7 }),
        fc.array(operation, { maxLength: 400 }),
        (hashes, operations) => {
          const backend = make()
          const model = new Map<string, KeyEntry>()
          for (const step of operations) {
            const hash = hashes[step.key.length % hashes.length] as number
            const expected = model.get(step.key)
            expect(find(backend, step.key, hash)).toBe(expected)
            if (step.kind === 'create') {
              const entry = create(backend, step.key, hash)
              if (expected !== undefined) expect(entry).toBe(expected)
              model.set(step.key, entry)
            } else if (step.kind === 'remove' && expected !== undefined) {
              backend.remove(expected)
              model.delete(step.key)
            }
          }
          expect(backend.size).toBe(model.size)
          expect(textsOf(backend)).toEqual([...model.keys()].sort())
        },
      ),
      { numRuns: 300, seed: 20260101 },
    )
  })

  it('stays right beyond its first capacity', () => {
    const backend = make()
    const keys = Array.from({ length: 5000 }, (_, i) => `key ${i}`)
    // Four keys to a hash, and hashes that differ in their high bits only.
    const hash = (i: number) => (i % 1250) * 4096
    const entries = keys.map((key, i) => create(backend, key, hash(i)))
    for (let i = 0; i < keys.length; i += 3) backend.remove(entries[i] as KeyEntry)
    const wrong = keys.filter(
      (key, i) => find(backend, key, hash(i)) !== (i % 3 === 0 ? undefined : entries[i]),
    )
    expect([wrong, backend.size]).toEqual([[], 3333])
  })
}

function find(backend: KeyedStateBackend, key: string, hash: number): KeyEntry | undefined {
  return backend.find(Buffer.from(key, 'latin1'), 0, key.length, hash)
}

function create(backend: KeyedStateBackend, key: string, hash: number): KeyEntry {
  return backend.findOrCreate(Buffer.from(key, 'latin1'), 0, key.length, hash)
}

function textsOf(backend: KeyedStateBackend): string[] {
  return Array.from(backend.entries(), ({ key }) => key).sort()
}
