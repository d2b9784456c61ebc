import { assert } from '../errors.ts'

/** Width of a bucket of far timers, ms. */
const bucketMs = 1024

/**
 * Timers by time, taken in order of (time, registration). Most are far off and many are obsolete
 * before they fire, so those beyond the nearest bucket lie unsorted (a calendar queue): registering
 * one costs a push, and a bucket is sorted when its time comes.
 */
export class TimerQueue<T> {
  /** Timers of the nearest bucket in order; those before `#cursor` have fired. */
  #timestamps: Float64Array = new Float64Array(0)
  #items: readonly T[] = []
  #cursor = 0
  #nearBucket = -Infinity
  /** Timers that were registered for the nearest bucket, or one before it, when it was sorted. */
  readonly #late: Timer<T>[] = []
  readonly #far = new Map<number, FarTimers<T>>()
  /** The far bucket that was registered for last: time limits of events in order are in order. */
  #lastBucket = Number.NaN
  #lastTimers: FarTimers<T> = { timestamps: [], items: [] }
  /** Indexes of far buckets: a binary heap of numbers. */
  readonly #farBuckets: number[] = []
  #registered = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param timestamp epoch ms; infinity never fires */
  register(timestamp: number, item: T): void {
    if (timestamp === Infinity) return
    this.#size++
    const bucket = Math.floor(timestamp / bucketMs)
    if (bucket <= this.#nearBucket) {
      push(this.#late, { timestamp, order: this.#registered++, item }, before)
      return
    }
    if (bucket !== this.#lastBucket) {
      this.#lastTimers = this.#timersOf(bucket)
      this.#lastBucket = bucket
    }
    this.#lastTimers.timestamps.push(timestamp)
    this.#lastTimers.items.push(item)
  }

  #timersOf(bucket: number): FarTimers<T> {
    let timers = this.#far.get(bucket)
    if (timers === undefined) {
      timers = { timestamps: [], items: [] }
      this.#far.set(bucket, timers)
      push(this.#farBuckets, bucket, lower)
    }
    return timers
  }

  /** When the next timer is due, epoch ms; infinity: there is none. */
  peek(): number {
    if (this.#cursor === this.#items.length && this.#late.length === 0) this.#loadBucket()
    return Math.min(
      this.#timestamps[this.#cursor] ?? Infinity,
      this.#late[0]?.timestamp ?? Infinity,
    )
  }

  /** Whether some timer is due at or before `time`, epoch ms. */
  isDue(time: number): boolean {
    return this.#size > 0 && this.peek() <= time
  }

  /** Takes the next timer out of the queue; `peek` has said when it is due. */
  poll(): T {
    const timestamp = this.peek()
    assert(timestamp < Infinity, 'a timer is polled where there is one')
    this.#size--
    // What was registered late comes after all of its time that was not.
    return timestamp === this.#timestamps[this.#cursor]
      ? (this.#items[this.#cursor++] as T)
      : (pop(this.#late, before) as Timer<T>).item
  }

  /** Forgets the timers that do not fit. */
  retain(fits: (item: T, timestamp: number) => boolean): void {
    const left: FarTimers<T> = {
      timestamps: [...this.#timestamps.subarray(this.#cursor)],
      items: this.#items.slice(this.#cursor),
    }
    const near = retained(left, fits)
    this.#timestamps = Float64Array.from(near.timestamps)
    this.#items = near.items
    this.#cursor = 0
    const late = this.#late.filter(({ item, timestamp }) => fits(item, timestamp))
    // In ascending order they are a heap.
    late.sort((a, b) => (before(a, b) ? -1 : 1))
    this.#late.splice(0, this.#late.length, ...late)
    this.#size = near.items.length + late.length
    for (const [bucket, timers] of this.#far) {
      const far = retained(timers, fits)
      if (far.items.length === 0) this.#far.delete(bucket)
      else this.#far.set(bucket, far)
      this.#size += far.items.length
    }
    this.#lastBucket = Number.NaN
    const buckets = [...this.#far.keys()].sort((a, b) => a - b)
    this.#farBuckets.splice(0, this.#farBuckets.length, ...buckets)
  }

  /** Sorts the next bucket, now that its time has come; the one before is used up. */
  #loadBucket(): void {
    this.#cursor = 0
    this.#items = []
    this.#timestamps = new Float64Array(0)
    const bucket = pop(this.#farBuckets, lower)
    if (bucket === undefined) return
    this.#nearBucket = bucket
    const { timestamps, items } = this.#far.get(bucket) as FarTimers<T>
    this.#far.delete(bucket)
    if (bucket === this.#lastBucket) this.#lastBucket = Number.NaN
    // Time within the bucket and order of registration in one double, which sorts by itself.
    const start = bucket * bucketMs
    const packed = new Float64Array(items.length)
    for (let index = 0; index < items.length; index++) {
      packed[index] = ((timestamps[index] as number) - start) * orderRange + index
    }
    packed.sort()
    const sorted: T[] = []
    this.#timestamps = new Float64Array(items.length)
    for (let at = 0; at < items.length; at++) {
      const index = (packed[at] as number) % orderRange
      this.#timestamps[at] = timestamps[index] as number
      sorted.push(items[index] as T)
    }
    this.#items = sorted
  }
}

/** Room for the order of registration within a bucket: with its 2^10 ms it fits a double. */
const orderRange = 2 ** 42

/** Timers of a far bucket in order of registration: two arrays cost less than many objects. */
interface FarTimers<T> {
  readonly timestamps: number[]
  readonly items: T[]
}

interface Timer<T> {
  readonly timestamp: number
  readonly order: number
  readonly item: T
}

function retained<T>(
  { timestamps, items }: FarTimers<T>,
  fits: (item: T, timestamp: number) => boolean,
): FarTimers<T> {
  const kept: FarTimers<T> = { timestamps: [], items: [] }
  items.forEach((item, index) => {
    const timestamp = timestamps[index] as number
    if (!fits(item, timestamp)) return
    kept.items.push(item)
    kept.timestamps.push(timestamp)
  })
  return kept
}

function before(a: Timer<unknown>, b: Timer<unknown>): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.order < b.order)
}

function lower(a: number, b: number): boolean {
  return a < b
}

function push<V>(heap: V[], value: V, isBefore: (a: V, b: V) => boolean): void {
  let child = heap.length
  heap.push(value)
  while (child > 0) {
    const parent = (child - 1) >> 1
    const above = heap[parent] as V
    if (!isBefore(value, above)) break
    heap[child] = above
    child = parent
  }
  heap[child] = value
}

function pop<V>(heap: V[], isBefore: (a: V, b: V) => boolean): V | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (heap.length === 0 || last === undefined) return first
  let parent = 0
  for (;;) {
    let child = 2 * parent + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as V, heap[child] as V)) child++
    const below = heap[child] as V
    if (!isBefore(below, last)) break
    heap[parent] = below
    parent = child
  }
  heap[parent] = last
  return first
}
