import { HashFilter } from '../state/hash-filter.ts'
import type { KeyBatch } from '../state/keyed-state-backend.ts'

/** Of a few thousand keys that are at hand most have no record. */
const maybeColdBits = 2 ** 16

/**
 * Which of the keys that are at hand may have a record on disk. The index over all records is large, and
 * each look at it a wait for memory: so it is looked at once for each key, when that is asked for first.
 */
export class AskedKeys {
  #batch: KeyBatch | null = null
  /** The keys of the batch before this one have been asked for, */
  #end = 0
  /** and these may have a record, or have left memory since. */
  readonly #maybeCold = new HashFilter(maybeColdBits)

  /** The keys of this batch are at hand: those of another one are forgotten. */
  beginBatch(batch: KeyBatch): void {
    if (batch === this.#batch) return
    this.clear()
    this.#batch = batch
  }

  /** Whether the keys up to `to` have been asked for. */
  includes(to: number): boolean {
    return to <= this.#end
  }

  /** The keys `from .. to` of the batch have been asked for; where some before were not, that counts for nothing. */
  add(from: number, to: number): void {
    if (from <= this.#end) this.#end = Math.max(this.#end, to)
  }

  /** A key of this hash may have a record from now on. */
  noteCold(hash: number): void {
    this.#maybeCold.add(hash)
  }

  mayBeCold(hash: number): boolean {
    return this.#maybeCold.mayHave(hash)
  }

  /** Whether a key at hand that is not in memory has no record either; false: that is not known. */
  hasNoRecord(hash: number): boolean {
    return this.#end > 0 && !this.#maybeCold.mayHave(hash)
  }

  /** No key is at hand. */
  clear(): void {
    this.#batch = null
    this.#end = 0
    this.#maybeCold.clear()
  }
}
