import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type TextOwner, TextStore } from '../../src/nfa/text-store.ts'

/** Keeps addresses as an event store does, and the texts that are to be found there. */
class ModelOwner implements TextOwner {
  readonly store = new TextStore(this)
  readonly texts = new Map<number, string>()
  readonly #addresses = new Map<number, number>()

  addressOf(id: number): number {
    return this.#addresses.get(id) ?? -1
  }

  lengthOf(id: number): number {
    return this.texts.get(id)?.length ?? 0
  }

  moved(id: number, address: number): void {
    this.#addresses.set(id, address)
  }

  add(id: number, bytes: Buffer, start: number, end: number): void {
    this.texts.set(id, bytes.toString('latin1', start, end))
    this.#addresses.set(id, this.store.add(id, bytes, start, end))
  }

  free(id: number): void {
    const address = this.addressOf(id)
    this.#addresses.delete(id)
    this.store.free(address, this.lengthOf(id))
    this.texts.delete(id)
  }

  stored(): Map<number, string> {
    return new Map(
      [...this.texts].map(([id, text]) => [id, this.store.textAt(this.addressOf(id), text.length)]),
    )
  }
}

describe('the texts of taken events', () => {
  it('are found again, whatever is added and freed, when their batch is gone', () => {
    const batch = fc.record({
      lengths: fc.array(fc.oneof(fc.nat(300), fc.integer({ min: 3_000, max: 5_000 })), {
        maxLength: 40,
      }),
      gap: fc.constantFrom(0, 1, 17),
      /** Which of those that are there are freed, as parts of a thousand. */
      freed: fc.array(fc.nat(999), { maxLength: 60 }),
    })
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 8 }), (batches) => {
        const owner = new ModelOwner()
        const ids: number[] = []
        let next = 0
        for (const { lengths, gap, freed } of batches) {
          const bytes = Buffer.alloc(lengths.reduce((sum, length) => sum + length + gap, 0))
          for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + next) % 251
          let start = 0
          for (const length of lengths) {
            owner.add(next, bytes, start, start + length)
            ids.push(next++)
            start += length + gap
          }
          for (const part of freed) {
            const [id] = ids.splice(Math.floor((part * ids.length) / 1000), 1)
            if (id !== undefined) owner.free(id)
          }
          owner.store.flush()
          bytes.fill(0)
          expect(owner.stored()).toEqual(owner.texts)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('fill pages by their number where they are short', () => {
    const owner = new ModelOwner()
    const bytes = Buffer.from('{"ts":1}')
    for (let id = 0; id < 20_000; id++) owner.add(id, bytes, 0, bytes.length)
    for (let id = 0; id < 20_000; id++) if (id % 7 !== 0) owner.free(id)
    owner.store.flush()
    expect(owner.stored()).toEqual(owner.texts)
  })

  it.each([
    ['', 5],
    [', or more where that spares moves', 30],
  ])('take little more room than they need, though some stay for ever%s', (more, times) => {
    const owner = new ModelOwner()
    if (more !== '') owner.store.spendRoom()
    const bytes = Buffer.alloc(100, 'x')
    for (let id = 0; id < 200_000; id++) {
      owner.add(id, bytes, 0, bytes.length)
      // One in a hundred stays: the pages of the others are used again.
      if (id % 100 !== 0) owner.free(id)
    }
    expect(owner.store.pages * 64 * 1024).toBeLessThan(times * 2000 * bytes.length)
  })
})
