/** Width of a bucket of far timers, ms. */
const bucketMs = 1024

/**
 * Timers by time, fired in order of (time, registration). Most are far off and many are obsolete
 * before they fire, so those beyond the nearest bucket lie unsorted (a calendar queue): registering
 * one costs a push.
 */
export class TimerQueue<T> {
  /** Timers of the buckets up to `#nearBucket`: a binary heap. */
  readonly #near: Timer<T>[] = []
  #nearBucket = -Infinity
  readonly #far = new Map<number, FarTimers<T>>()
  /** Indexes of far buckets: a binary heap of numbers. */
  readonly #farBuckets: number[] = []
  #loaded = 0
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
      this.#pushNear(timestamp, item)
      return
    }
    let timers = this.#far.get(bucket)
    if (timers === undefined) {
      timers = { timestamps: [], items: [] }
      this.#far.set(bucket, timers)
      push(this.#farBuckets, bucket, lower)
    }
    timers.timestamps.push(timestamp)
    timers.items.push(item)
  }

  /** When the next timer is due, epoch ms; infinity: there is none. */
  peek(): number {
    this.#loadNear()
    return this.#near[0]?.timestamp ?? Infinity
  }

  /**
   * Fires what is due at or before `time`, timers that firing registers included.
   * @param fire gets the timer's own time
   */
  fireUpTo(time: number, fire: (item: T, timestamp: number) => void): void {
    while (this.#size > 0 && this.peek() <= time) {
      const timer = pop(this.#near, before) as Timer<T>
      this.#size--
      fire(timer.item, timer.timestamp)
    }
  }

  #loadNear(): void {
    while (this.#near.length === 0 && this.#farBuckets.length > 0) {
      const bucket = pop(this.#farBuckets, lower) as number
      this.#nearBucket = bucket
      const timers = this.#far.get(bucket) as FarTimers<T>
      this.#far.delete(bucket)
      timers.items.forEach((item, index) => {
        this.#pushNear(timers.timestamps[index] as number, item)
      })
    }
  }

  /** Timers of one time meet in one bucket, so this order is that of registration. */
  #pushNear(timestamp: number, item: T): void {
    push(this.#near, { timestamp, order: this.#loaded++, item }, before)
  }
}

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
