import { ColdKeyFilter } from '../state/cold-key-filter.ts'
import { defaultMaxParallelism, hashKey, keyGroupOf } from '../stream/key-group.ts'
import type { KeyText } from './checkpoint-row.ts'
import { expiryBucketOf, expiryEndOf, hasExpired, type RowSide } from './entry-row.ts'
import type { EntryRows } from './entry-rows.ts'
import { type GroupRows, keysOf } from './group-rows.ts'
import type { ExpiredKey } from './stored-expiries.ts'

/** What a scan asks of the backend. */
export interface ColdKeyScanOptions {
  readonly rows: EntryRows
  readonly isInMemory: (key: string, hash: number) => boolean
  /** Event time of the newest complete checkpoint, epoch ms. */
  readonly committedWatermark: () => number
  /** Lets others go on. */
  readonly pause: () => Promise<void>
}

/**
 * Knows which keys are not in memory but on disk, so that a key that has nothing there costs no read.
 * In a new job it knows all; after a restart it is built beside the stream, one key group after the
 * other, and keys of groups that it does not know yet may be on disk.
 */
export class ColdKeys {
  readonly #filter = new ColdKeyFilter()
  /** Key groups below it are known. */
  #known = 0
  /** Keys of unknown groups that have come or gone since a group is being read; `null`: in memory. */
  readonly #moved = new Map<string, ColdKey | null>()
  #isStopped = false

  /** There is nothing on disk. */
  startEmpty(): void {
    this.#known = defaultMaxParallelism
  }

  get isComplete(): boolean {
    return this.#known === defaultMaxParallelism
  }

  /** The sides on which the newest row of a key of this hash may be, as bits; 0: there is none. */
  sidesOf(hash: number): number {
    return this.#knows(hash) ? this.#filter.sidesOf(hash) : 3
  }

  /** A key has left memory. */
  add(key: string, hash: number, cold: ColdKey): void {
    if (this.#knows(hash)) this.#filter.add(hash, cold.side, cold.expiryBucket)
    else this.#moved.set(key, cold)
  }

  /** A key has come into memory. */
  remove(key: string, hash: number): void {
    if (this.#knows(hash)) this.#filter.remove(hash)
    else this.#moved.set(key, null)
  }

  /**
   * Deletes the rows of keys whose state has run out.
   * @param watermark event time of the newest complete checkpoint, epoch ms
   */
  async deleteExpired(
    rows: EntryRows,
    watermark: number,
    isInMemory: (key: KeyText, hash: number) => boolean,
  ): Promise<void> {
    const shared = new Set<number>()
    await rows.expiries.takeOut(watermark, (expired) => {
      const { key, isFresh } = expired
      const hash = hashKey(key.text, key.start, key.end) | 0
      if (!this.#hasExpired(hash, expired, watermark) || isInMemory(key, hash)) return
      if (rows.isLeaving(key.text.toString('latin1', key.start, key.end))) return
      rows.deleteExpired(key, hash, isFresh)
      if (this.#filter.hasMany(hash)) shared.add(hash)
      else this.#filter.drop(hash)
    })
    for (const hash of shared) {
      // Others of its keys may have come since.
      if (hasExpired(this.#filter.expiryOf(hash), watermark)) this.#filter.drop(hash)
    }
  }

  /** Keys whose state has not run out at `watermark`, epoch ms, as far as they are known. */
  count(watermark: number): number {
    return this.#filter.count((expiry) => !hasExpired(expiry, watermark))
  }

  /** Ends a scan that is under way. */
  stop(): void {
    this.#isStopped = true
  }

  /** Gets to know the keys on disk; deletes rows that say nothing to anybody. */
  async scan(options: ColdKeyScanOptions): Promise<void> {
    while (!this.isComplete) {
      this.#moved.clear()
      // What was on its way to the disk before is read, what comes and goes from now on is noted.
      await options.rows.writer.drained()
      const group = await options.rows.groupFrom(this.#known, options.pause)
      if (this.#isStopped) return
      this.#learn(options, group)
    }
    this.#moved.clear()
  }

  #learn(options: ColdKeyScanOptions, group: GroupRows | undefined): void {
    const { rows, isInMemory, committedWatermark } = options
    const keys = group === undefined ? new Set<string>() : keysOf(group)
    this.#known = group === undefined ? defaultMaxParallelism : group.keyGroup + 1
    for (const [key, cold] of this.#moved) {
      keys.delete(key)
      const hash = hashOf(key)
      if (cold !== null && this.#knows(hash)) {
        this.#filter.add(hash, cold.side, cold.expiryBucket)
      }
    }
    for (const key of keys) {
      const hash = hashOf(key)
      if (isInMemory(key, hash) || rows.isLeaving(key)) continue
      const found = rows.newestOf(key, group as GroupRows)
      const expiryBucket = expiryBucketOf(found?.row.expiresAt ?? Infinity)
      const isDead =
        found === undefined ||
        found.row.isTombstone ||
        hasExpired(expiryBucket, committedWatermark())
      if (isDead) deleteRows(rows, key, hash, group?.sides[1].has(key) !== true)
      else this.#filter.add(hash, found.side, expiryBucket)
    }
  }

  /**
   * Whether a key is on disk, and its rows say nothing any more. One that has got a newer row since it
   * was noted is not meant: of that there is a note of its own.
   */
  #hasExpired(hash: number, { expiresAt, isFresh }: ExpiredKey, watermark: number): boolean {
    if (!this.#knows(hash)) return false
    const expiry = this.#filter.expiryOf(hash)
    // The note before may have deleted the row on side 0 alone.
    if (expiry < 0) return !isFresh
    if (!hasExpired(expiry, watermark)) return false
    if (this.#filter.hasMany(hash)) return true
    return expiryEndOf(expiry) <= expiresAt && !(isFresh && this.#filter.sidesOf(hash) === 2)
  }

  #knows(hash: number): boolean {
    return this.isComplete || keyGroupOf(hash) < this.#known
  }
}

/** Where the newest row of a key is, and when it says nothing any more (`expiryBucketOf`). */
export interface ColdKey {
  readonly side: RowSide
  readonly expiryBucket: number
}

function deleteRows(rows: EntryRows, key: string, hash: number, isFresh: boolean): void {
  const text = Buffer.from(key, 'latin1')
  rows.deleteExpired({ text, start: 0, end: text.length }, hash, isFresh)
}

function hashOf(key: string): number {
  return hashKey(Buffer.from(key, 'latin1')) | 0
}
