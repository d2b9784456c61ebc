import { assert } from '../errors.ts'
import { twiceAsLong } from '../stream/growing-array.ts'
import { hasExpired } from './expiry-bucket.ts'

const initialCapacity = 256
const noRecord = -1

/** Pages that a log may have at once: their numbers are kept in so many bits. */
export const pagesMax = 2 ** 23

/**
 * What is known of the pages of a log: how many of their records are still the newest ones of their
 * keys, and when all have run out. Pages have numbers in the order in which they are written; those
 * before `tail` are gone.
 */
export class PageTable {
  /** The oldest page that is there. */
  tail = 0
  /** The number of the next page. */
  head = 0
  /** By page, modulo their length: records, those that count, the latest expiry of these. */
  #records = new Int32Array(initialCapacity)
  #live = new Int32Array(initialCapacity)
  #expiry = new Int32Array(initialCapacity)
  /** The checkpoint with which the last of its records lost its place. */
  #retiredBy = new Float64Array(initialCapacity)
  #allRecords = 0
  #allLive = 0

  /** Records of all pages. */
  get records(): number {
    return this.#allRecords
  }

  /** Those that are the newest ones of their keys. */
  get live(): number {
    return this.#allLive
  }

  /** There are no pages before this one. */
  startAt(page: number): void {
    this.tail = page
    this.head = page
  }

  /** Adds the next page. */
  add(): number {
    assert(this.head - this.tail < pagesMax, 'a log has no more pages than it may')
    if (this.head - this.tail === this.#live.length) this.#grow()
    const at = this.#at(this.head)
    this.#records[at] = 0
    this.#live[at] = 0
    this.#expiry[at] = noRecord
    this.#retiredBy[at] = 0
    return this.head++
  }

  /**
   * A record was added to a page.
   * @param expiry `expiryBucketOf`; `null`: it is no key's newest one, or a tombstone
   */
  addRecord(page: number, expiry: number | null): void {
    const at = this.#at(page)
    this.#records[at] = (this.#records[at] as number) + 1
    this.#allRecords++
    if (expiry === null) return
    this.#live[at] = (this.#live[at] as number) + 1
    this.#allLive++
    if (expiry > (this.#expiry[at] as number)) this.#expiry[at] = expiry
  }

  /** A record of the page has lost its place with a checkpoint; 0: before all that may fail. */
  retire(page: number, checkpoint: number): void {
    const at = this.#at(page)
    this.#live[at] = (this.#live[at] as number) - 1
    this.#allLive--
    this.#retiredBy[at] = Math.max(this.#retiredBy[at] as number, checkpoint)
  }

  /**
   * Forgets the oldest pages, as far as nothing needs them. Only the oldest: a record must stay as
   * long as there is an older one of its key.
   * @param end not this one and those behind it
   * @param committed the newest complete checkpoint
   * @param watermark its event time, epoch ms
   * @returns whether some have been forgotten
   */
  moveTail(end: number, committed: number, watermark: number): boolean {
    const before = this.tail
    while (this.tail < end && this.#isIdle(this.#at(this.tail), committed, watermark)) {
      const at = this.#at(this.tail++)
      this.#allRecords -= this.#records[at] as number
      this.#allLive -= this.#live[at] as number
    }
    return this.tail > before
  }

  #isIdle(at: number, committed: number, watermark: number): boolean {
    if (this.#live[at] === 0) return (this.#retiredBy[at] as number) <= committed
    return hasExpired(this.#expiry[at] as number, watermark)
  }

  #at(page: number): number {
    return page % this.#live.length
  }

  #grow(): void {
    const capacity = this.#live.length
    const records = twiceAsLong(this.#records)
    const live = twiceAsLong(this.#live)
    const expiry = twiceAsLong(this.#expiry)
    const retiredBy = twiceAsLong(this.#retiredBy)
    for (let page = this.tail; page < this.head; page++) {
      const from = page % capacity
      const to = page % (2 * capacity)
      records[to] = this.#records[from] as number
      live[to] = this.#live[from] as number
      expiry[to] = this.#expiry[from] as number
      retiredBy[to] = this.#retiredBy[from] as number
    }
    this.#records = records
    this.#live = live
    this.#expiry = expiry
    this.#retiredBy = retiredBy
  }
}
