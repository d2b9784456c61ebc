import type { CurrentKey } from '../state/current-key.ts'
import type { KeyEntry } from '../state/keyed-state-backend.ts'
import { TimerQueue } from './timer-queue.ts'

/** The timers of one key as its entry keeps them, plain data. */
interface KeyTimers {
  /** Ascending, each once. */
  readonly times: number[]
  /** The time under which the queue has the entry; at or before the first of `times`. */
  queuedAt: number
}

/** Called with the timer's key at hand. */
export type TimerVisitor = (timestamp: number) => void

/**
 * The timers of one time domain: they are part of their key's entry, at most one for each key and
 * time; the queue has an entry under its earliest time only. So a timer that is moved on with
 * every event leaves nothing behind.
 */
export class TimerIndex {
  readonly #key: CurrentKey
  readonly #slot: number
  readonly #queue = new TimerQueue<KeyEntry>()
  #ended = false

  /** @param slot of the entries, in which the timers are kept */
  constructor(key: CurrentKey, slot: number) {
    this.#key = key
    this.#slot = slot
  }

  /** No timer is due before this time, epoch ms; infinity: there is none. */
  get nextAt(): number {
    return this.#queue.peek()
  }

  /** Entries in the queue: few more than keys with timers. */
  get queuedEntries(): number {
    return this.#queue.size
  }

  /** @param timestamp whole epoch ms */
  register(timestamp: number): void {
    if (this.#ended) return
    const timers = (this.#key.read(this.#slot) as KeyTimers | undefined) ?? {
      times: [],
      queuedAt: Infinity,
    }
    const at = placeOf(timers.times, timestamp)
    if (timers.times[at] === timestamp) return
    timers.times.splice(at, 0, timestamp)
    this.#key.write(this.#slot, timers)
    this.#enqueue(this.#key.entry as KeyEntry, timers)
  }

  delete(timestamp: number): void {
    const timers = this.#key.read(this.#slot) as KeyTimers | undefined
    if (timers === undefined) return
    const at = placeOf(timers.times, timestamp)
    if (timers.times[at] === timestamp) this.#remove(timers, at)
  }

  /** Fires what is due at or before `time`, in order; what firing registers there too. */
  fireUpTo(time: number, visit: TimerVisitor): void {
    while (this.#queue.isDue(time)) {
      const timestamp = this.#queue.peek()
      this.#fire(this.#queue.poll(), timestamp, visit)
    }
  }

  /** From now on registering is nothing: the input has ended. */
  end(): void {
    this.#ended = true
  }

  #fire(entry: KeyEntry, timestamp: number, visit: TimerVisitor): void {
    // An entry that has been forgotten has empty slots; one may also be queued under an older time.
    const timers = entry.get(this.#slot) as KeyTimers | undefined
    if (timers?.queuedAt !== timestamp) return
    timers.queuedAt = Infinity
    this.#key.selectEntry(entry)
    if (timers.times[0] === timestamp) {
      timers.times.shift()
      this.#key.write(this.#slot, timers)
      visit(timestamp)
    }
    // What `visit` registered is queued already where it comes first.
    const left = this.#key.read(this.#slot) as KeyTimers | undefined
    if (left?.times.length === 0) this.#key.write(this.#slot, undefined)
    else if (left !== undefined) this.#enqueue(entry, left)
    this.#key.release()
  }

  #remove(timers: KeyTimers, at: number): void {
    timers.times.splice(at, 1)
    // While the queue has the entry the empty list stays, or the queue would get it again and again.
    const isQueued = timers.queuedAt < Infinity
    this.#key.write(this.#slot, timers.times.length === 0 && !isQueued ? undefined : timers)
  }

  #enqueue(entry: KeyEntry, timers: KeyTimers): void {
    const first = timers.times[0] ?? Infinity
    if (first >= timers.queuedAt) return
    timers.queuedAt = first
    this.#queue.register(first, entry)
  }
}

/** Where the time is, or would have to be, in ascending times. */
function placeOf(times: readonly number[], timestamp: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) < timestamp) low = middle + 1
    else high = middle
  }
  return low
}
