import { TimerQueue } from '../time/timer-queue.ts'
import { numberInKey, rangeOf, timeBucketKey, timePrefix } from './checkpoint-row.ts'
import {
  type StoredTimesOptions,
  TimeRows,
  timeBucketOf,
  timesOfRowContent,
} from './stored-times.ts'

/** So many timers are loaded at once, and what is left of the bucket of the last one. */
const loadedTimers = 2000
/** How far beyond event time timers are loaded: looking costs a read. */
const aheadBucketsMin = 16
const aheadBucketsMax = 4096
/** Timers in memory from which on only those of the next moments stay there. */
const nearTimersMax = 50_000

/**
 * The timers of keys that are not in memory, on disk by time: only those of the next moments are
 * loaded. A key may have timers that mean nothing any more: who looks at the key sees that.
 */
export class StoredTimers {
  readonly #options: StoredTimesOptions
  readonly #rows: TimeRows
  /** Timers of keys that have left memory, of buckets before `#loadedBefore`. */
  readonly #near = new TimerQueue<string>()
  #loadedBefore = -Infinity
  #aheadBuckets = aheadBucketsMin
  /** Whether there may be timers on disk. */
  #mayHaveRows: boolean

  /** @param isEmpty whether no process before has written any */
  constructor(options: StoredTimesOptions, isEmpty: boolean) {
    this.#options = options
    this.#rows = new TimeRows(options)
    this.#mayHaveRows = !isEmpty
  }

  /** Notes the timer of a key, to be written. @param timerAt epoch ms */
  note(timerAt: number, key: string): void {
    this.#mayHaveRows = true
    this.#rows.note({ at: timerAt, key })
  }

  /** A key with a timer that was noted has left memory. */
  left(timerAt: number, key: string): void {
    if (timeBucketOf(timerAt) < this.#loadedBefore) this.#near.register(timerAt, key)
  }

  /** Hands over what was noted. */
  send(): void {
    this.#rows.send()
  }

  /** Loads more timers where some may be due at `watermark`; `null`: there is no need. */
  load(watermark: number): Promise<void> | null {
    const { size } = this.#near
    if (size > nearTimersMax) this.#loadLess(timeBucketOf(watermark) + aheadBucketsMin)
    const isLoaded = timeBucketOf(watermark) < this.#loadedBefore || this.#loadedBefore === Infinity
    return isLoaded || !this.#mayHaveRows ? null : this.#load(watermark)
  }

  /** Takes a key whose timer is due at `watermark`; undefined: there is none. */
  poll(watermark: number): string | undefined {
    return this.#near.isDue(watermark) ? this.#near.poll() : undefined
  }

  /** Forgets timers at or before the event time of the newest complete checkpoint, epoch ms. */
  forget(watermark: number): void {
    const { operator, writer } = this.#options
    if (!this.#mayHaveRows) return
    const gte = timePrefix(operator)
    const lt = timeBucketKey(operator, timeBucketOf(watermark + 1))
    writer.add({ kind: 'deleteRange', gte, lt })
  }

  #loadLess(bucket: number): void {
    if (bucket >= this.#loadedBefore) return
    this.#loadedBefore = bucket
    this.#aheadBuckets = aheadBucketsMin
    this.#near.retain((_, timerAt) => timeBucketOf(timerAt) < bucket)
  }

  async #load(watermark: number): Promise<void> {
    const { operator, store, directory } = this.#options
    this.send()
    const prefix = timePrefix(operator)
    const from = this.#loadedBefore
    const gte = from === -Infinity ? prefix : timeBucketKey(operator, from)
    const target = timeBucketOf(watermark) + this.#aheadBuckets
    const lt = watermark === Infinity ? rangeOf(prefix).lt : timeBucketKey(operator, target)
    let loaded = 0
    let bucket = -1
    // One may come twice, as it is written while others are read.
    for (const row of this.#rows.leavingBefore(watermark === Infinity ? Infinity : target)) {
      for (const { at, key } of timesOfRowContent(row, directory)) {
        if (timeBucketOf(at) >= from) this.#near.register(at, key)
      }
    }
    for await (const rows of store.iterate({ gte, lt }, 16)) {
      for (const { key, value } of rows) {
        if (loaded >= loadedTimers && numberInKey(key) !== bucket) {
          this.#loadedBefore = bucket + 1
          this.#aheadBuckets = aheadBucketsMin
          return
        }
        bucket = numberInKey(key)
        for (const { at, key: text } of timesOfRowContent(value, directory)) {
          this.#near.register(at, text)
          loaded++
        }
      }
    }
    this.#loadedBefore = watermark === Infinity ? Infinity : target
    // Where there are few, a look further ahead spares many.
    if (loaded < loadedTimers / 4) {
      this.#aheadBuckets = Math.min(2 * this.#aheadBuckets, aheadBucketsMax)
    }
  }
}
