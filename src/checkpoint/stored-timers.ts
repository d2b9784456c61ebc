import type { StateStore } from '../connector/state-store.ts'
import { ByteReader } from '../state/byte-reader.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import { TimerQueue } from '../time/timer-queue.ts'
import {
  bucketOfTimerKey,
  contentOfRow,
  frameRow,
  put,
  rangeOf,
  timerBucketKey,
  timerKey,
  timerPrefix,
} from './checkpoint-row.ts'
import type { RowWriter } from './row-writer.ts'

const bucketMs = 1024
/** A row has no more timers, so that none is long. */
const timersOfRow = 1000
/** So many timers are loaded at once, and what is left of the bucket of the last one. */
const loadedTimers = 2000
/** How far beyond event time timers are loaded at least: looking costs a read. */
const aheadBuckets = 16

const dueKind = 0
const expiryKind = 1

/** A key's state has run out without a timer. */
export interface ExpiredKey {
  /** Canonical, one char a byte. */
  readonly key: string
  /** Whether the key had no row but that on side 0. */
  readonly isFresh: boolean
}

export interface StoredTimersOptions {
  readonly operator: string
  readonly store: StateStore
  readonly writer: RowWriter
  /** Number of this process: tells its rows from those of others. */
  readonly life: number
  /** The folder of the state, for messages. */
  readonly directory: string
}

/**
 * The timers of keys that are not in memory, on disk by time: only those of the next moments are
 * loaded. A row lists the timers of one second that were written together, so a timer costs little.
 * A key may have timers that mean nothing any more: who looks at the key sees that.
 */
export class StoredTimers {
  readonly #options: StoredTimersOptions
  readonly #noted = new Map<number, ByteWriter>()
  #notedCount = 0
  #rowCount = 0
  /** Timers of keys that have left memory, of buckets before `#loadedBefore`. */
  readonly #near = new TimerQueue<string>()
  #loadedBefore = -Infinity

  constructor(options: StoredTimersOptions) {
    this.#options = options
  }

  /** Notes the timer of a key, to be written. @param timerAt epoch ms */
  noteTimer(timerAt: number, key: string): void {
    const out = this.#outOf(timerAt)
    out.double(timerAt)
    out.byte(dueKind)
    out.latin1(key)
  }

  /** Notes that a key's state runs out at `expiresAt`, epoch ms, and nothing follows from that. */
  noteExpiry(expiresAt: number, { key, isFresh }: ExpiredKey): void {
    const out = this.#outOf(expiresAt)
    out.double(expiresAt)
    out.byte(expiryKind | (isFresh ? 2 : 0))
    out.latin1(key)
  }

  /** A key with a timer that was noted has left memory. */
  left(timerAt: number, key: string): void {
    if (bucketOf(timerAt) < this.#loadedBefore) this.#near.register(timerAt, key)
  }

  /** Hands over what was noted. */
  send(): void {
    const { operator, writer, life } = this.#options
    for (const [bucket, out] of this.#noted) {
      const key = timerKey(operator, bucket, life, this.#rowCount++)
      writer.add(put(key, frameRow(out.toBuffer())))
    }
    this.#noted.clear()
    this.#notedCount = 0
  }

  /** Loads more timers where some may be due at `watermark`; `null`: there is no need. */
  load(watermark: number): Promise<void> | null {
    const isLoaded = bucketOf(watermark) < this.#loadedBefore || this.#loadedBefore === Infinity
    return isLoaded ? null : this.#load(watermark)
  }

  /** Takes a key whose timer is due at `watermark`; undefined: there is none. */
  poll(watermark: number): string | undefined {
    return this.#near.isDue(watermark) ? this.#near.poll() : undefined
  }

  /**
   * Forgets timers that no checkpoint needs any more.
   * @param watermark event time of the newest complete checkpoint, epoch ms
   * @param expired takes keys whose state has run out, in lists
   */
  async forget(watermark: number, expired: (keys: readonly ExpiredKey[]) => void): Promise<void> {
    const { operator, store, writer } = this.#options
    const end = timerBucketKey(operator, bucketOf(watermark + 1))
    const gte = timerPrefix(operator)
    let found = false
    for await (const rows of store.iterate({ gte, lt: end }, 16)) {
      found = true
      const keys: ExpiredKey[] = []
      for (const { value } of rows) {
        this.#readRow(value, (_, key, kind) => {
          if ((kind & expiryKind) !== 0) keys.push({ key, isFresh: (kind & 2) !== 0 })
        })
      }
      expired(keys)
    }
    if (found) writer.add({ kind: 'deleteRange', gte, lt: end })
  }

  async #load(watermark: number): Promise<void> {
    const { operator, store, writer } = this.#options
    this.send()
    await writer.drained()
    const prefix = timerPrefix(operator)
    const from = this.#loadedBefore
    const gte = from === -Infinity ? prefix : timerBucketKey(operator, from)
    const target = bucketOf(watermark) + aheadBuckets
    const lt = watermark === Infinity ? rangeOf(prefix).lt : timerBucketKey(operator, target)
    let loaded = 0
    let bucket = -1
    for await (const rows of store.iterate({ gte, lt }, 16)) {
      for (const { key, value } of rows) {
        if (loaded >= loadedTimers && bucketOfTimerKey(key) !== bucket) {
          this.#loadedBefore = bucket + 1
          return
        }
        bucket = bucketOfTimerKey(key)
        this.#readRow(value, (timerAt, text, kind) => {
          if ((kind & expiryKind) !== 0) return
          this.#near.register(timerAt, text)
          loaded++
        })
      }
    }
    this.#loadedBefore = watermark === Infinity ? Infinity : target
  }

  #readRow(row: Buffer, take: (timerAt: number, key: string, kind: number) => void): void {
    const from = new ByteReader(contentOfRow(row, this.#options.directory))
    while (!from.isAtEnd) {
      const timerAt = from.double()
      const kind = from.byte()
      take(timerAt, from.latin1(), kind)
    }
  }

  #outOf(timestamp: number): ByteWriter {
    if (this.#notedCount >= timersOfRow) this.send()
    this.#notedCount++
    const bucket = bucketOf(timestamp)
    let out = this.#noted.get(bucket)
    if (out === undefined) {
      out = new ByteWriter()
      this.#noted.set(bucket, out)
    }
    return out
  }
}

/** Times before 1970 share the first bucket. */
function bucketOf(timestamp: number): number {
  if (timestamp === Infinity || timestamp === -Infinity) return timestamp
  return Math.max(0, Math.floor(timestamp / bucketMs))
}
