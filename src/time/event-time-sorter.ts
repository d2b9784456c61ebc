import type { ArrivedEvent, EventBytes } from '../stream/event.ts'
import { twiceAsLong } from '../stream/growing-array.ts'

/**
 * Released events in order, each with its key: parallel arrays, so that a keyed operator can look
 * up many keys at once. The same object is filled again and again.
 */
export class ReleasedEvents {
  count = 0
  /** Up to `count`, as the others. */
  readonly events: ArrivedEvent[] = []
  /** The key of event i is `arenas[i][keyStarts[i] .. keyEnds[i])`. */
  readonly arenas: Buffer[] = []
  keyStarts = new Int32Array(1024)
  keyEnds = new Int32Array(1024)
  hashes = new Int32Array(1024)

  /** Lets go of the events; their places are used again. */
  clear(): void {
    this.events.fill(nothing, 0, this.count)
    this.arenas.fill(noBytes, 0, this.count)
    this.count = 0
  }

  /** Appends event `index` of a run. */
  add(run: EventRun, index: number): void {
    const { events, keys, arena } = run
    const at = this.count++
    if (at === this.hashes.length) this.#grow()
    this.events[at] = events[index] as ArrivedEvent
    this.arenas[at] = arena
    this.keyStarts[at] = keys[3 * index] as number
    this.keyEnds[at] = keys[3 * index + 1] as number
    this.hashes[at] = keys[3 * index + 2] as number
  }

  #grow(): void {
    this.keyStarts = twiceAsLong(this.keyStarts)
    this.keyEnds = twiceAsLong(this.keyEnds)
    this.hashes = twiceAsLong(this.hashes)
  }
}

/** Events of one batch of one split with their keys, before they are handed to the sorter. */
export class EventRun {
  readonly events: ArrivedEvent[] = []
  /** Their times, so that putting them in order touches no event. */
  timestamps: Float64Array
  /** Three integers an event: start and end of its key in the arena, and the key's hash. */
  keys: Int32Array
  arena: Buffer = noBytes
  /** Where the texts of the events lie: bytes of their batch. */
  readonly text: EventBytes
  bytes = 0

  /**
   * @param bytes those of the batch: see `EventTimeSorter.keepText`
   * @param capacity how many events there is room for at first
   */
  constructor(bytes: Buffer = noBytes, capacity = 16) {
    this.text = { bytes }
    this.timestamps = new Float64Array(capacity)
    this.keys = new Int32Array(3 * capacity)
  }

  /** Where the key of the last event ends in the arena; 0 before the first. */
  get keysEnd(): number {
    return this.events.length === 0 ? 0 : (this.keys[3 * this.events.length - 2] as number)
  }

  add(event: ArrivedEvent, start: number, end: number, hash: number): void {
    const at = this.events.push(event) - 1
    if (at === this.timestamps.length) {
      this.timestamps = twiceAsLong(this.timestamps)
      this.keys = twiceAsLong(this.keys)
    }
    this.timestamps[at] = event.timestamp
    this.keys[3 * at] = start
    this.keys[3 * at + 1] = end
    this.keys[3 * at + 2] = hash
    this.bytes += event.textEnd - event.textStart + eventOverheadBytes
  }
}

const noBytes = Buffer.alloc(0)

/** Stands where an event was. */
const nothing = undefined as unknown as ArrivedEvent

/** What an event costs beside its text, with three short fields, as measured on a heap. */
const eventOverheadBytes = 240

/** A run in order of time with what has been released of it. */
interface SortedRun {
  readonly run: EventRun
  /** Indexes into the run by (timestamp, arrival); `null` where the run is in order. */
  readonly order: Uint32Array | null
  cursor: number
  /** Whether the texts of what is held have been copied from the batch. */
  isKept: boolean
}

/**
 * Holds events until the watermark has passed them and releases them in order of
 * (timestamp, split, arrival), whatever the batches were (D3). Input in order passes through
 * without sorting.
 */
export class EventTimeSorter {
  /** Runs by split. */
  readonly #runs: SortedRun[][] = []
  /** The splits in the order of ties. */
  readonly #order: number[] = []
  #watermark = -Infinity
  #bytes = 0

  /**
   * Adds a split.
   * @param rank how many splits stand before it where times are equal; default all that are there
   */
  addSplit(rank = this.#order.length): number {
    const split = this.#runs.push([]) - 1
    this.#order.splice(rank, 0, split)
    return split
  }

  /** What is held, roughly. */
  get bytes(): number {
    return this.#bytes
  }

  get watermark(): number {
    return this.#watermark
  }

  add(split: number, run: EventRun): void {
    if (run.events.length === 0) return
    this.#bytes += run.bytes
    this.#runs[split]?.push({ run, order: orderOf(run), cursor: 0, isKept: false })
  }

  /**
   * The batch of the run that was added last is about to be given back: copies the texts of those
   * events that are still held.
   */
  keepText(split: number): void {
    const last = this.#runs[split]?.at(-1)
    // Where all of the newest run is released there may be an older one, whose text is kept.
    if (last === undefined || last.isKept) return
    last.isKept = true
    const { run, order, cursor } = last
    const events: ArrivedEvent[] = []
    let length = 0
    for (let at = cursor; at < run.events.length; at++) {
      const event = run.events[order === null ? at : (order[at] as number)] as ArrivedEvent
      events.push(event)
      length += event.textEnd - event.textStart
    }
    const kept = { bytes: Buffer.allocUnsafeSlow(length) }
    let at = 0
    for (const event of events) {
      const copied = event.text.bytes.copy(kept.bytes, at, event.textStart, event.textEnd)
      // What has been released of the run may wait to be processed: its text stays where it is.
      event.text = kept
      event.textStart = at
      at += copied
      event.textEnd = at
    }
  }

  /** What is held of a split, in an order in which it can be put back as one run. */
  *heldBy(split: number): Iterable<{ readonly run: EventRun; readonly index: number }> {
    for (const { run, order, cursor } of this.#runs[split] as SortedRun[]) {
      for (let at = cursor; at < run.events.length; at++) {
        yield { run, index: order === null ? at : (order[at] as number) }
      }
    }
  }

  /** Puts back what was held, with texts of its own, and the watermark up to which all is released. */
  restore(watermark: number, runs: Iterable<readonly [split: number, run: EventRun]>): void {
    this.#watermark = watermark
    for (const [split, run] of runs) {
      this.add(split, run)
      const added = this.#runs[split]?.at(-1)
      if (added !== undefined) added.isKept = true
    }
  }

  /** Releases every event with a timestamp at or below the watermark. */
  release(watermark: number, released: ReleasedEvents): void {
    if (watermark <= this.#watermark) return
    this.#watermark = watermark
    const due: Due[] = []
    for (const split of this.#order) this.#collect(split, watermark, due)
    if (areInOrder(due)) for (const slice of due) releaseSlice(slice, released)
    else releaseMerged(due, released)
  }

  #collect(split: number, watermark: number, due: Due[]): void {
    const runs = this.#runs[split] as SortedRun[]
    let exhausted = 0
    for (const sorted of runs) {
      const from = sorted.cursor
      const to = countUpTo(sorted, watermark)
      if (to > from) due.push({ sorted, from, to })
      sorted.cursor = to
      if (to === sorted.run.events.length) {
        exhausted++
        this.#bytes -= sorted.run.bytes
      }
    }
    if (exhausted === 0) return
    this.#runs[split] =
      exhausted === runs.length ? [] : runs.filter((r) => r.cursor < r.run.events.length)
  }
}

/** A stretch of a run that is due. */
interface Due {
  readonly sorted: SortedRun
  readonly from: number
  readonly to: number
}

function orderOf({ events: { length }, timestamps }: EventRun): Uint32Array | null {
  let inOrder = true
  for (let i = 1; i < length && inOrder; i++) {
    inOrder = (timestamps[i] as number) >= (timestamps[i - 1] as number)
  }
  return inOrder ? null : sortedIndexes(length, timestamps)
}

/** The cursor behind the last event at or below the watermark: a search from the cursor on. */
function countUpTo({ run, order, cursor }: SortedRun, watermark: number): number {
  const { events, timestamps } = run
  let low = cursor
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const timestamp = timestamps[order === null ? middle : (order[middle] as number)] as number
    if (timestamp <= watermark) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether each stretch ends before the next one begins, as with input in order. */
function areInOrder(due: readonly Due[]): boolean {
  for (let i = 1; i < due.length; i++) {
    const before = due[i - 1] as Due
    const next = due[i] as Due
    if (timeAt(before.sorted, before.to - 1) > timeAt(next.sorted, next.from)) return false
  }
  return true
}

function timeAt({ run, order }: SortedRun, at: number): number {
  return run.timestamps[order === null ? at : (order[at] as number)] as number
}

function releaseSlice({ sorted: { run, order }, from, to }: Due, released: ReleasedEvents): void {
  for (let at = from; at < to; at++) {
    released.add(run, order === null ? at : (order[at] as number))
  }
}

function releaseMerged(due: readonly Due[], released: ReleasedEvents): void {
  let count = 0
  for (const { from, to } of due) count += to - from
  const owners = new Uint32Array(count)
  const indexes = new Uint32Array(count)
  const timestamps = new Float64Array(count)
  let at = 0
  due.forEach(({ sorted, from, to }, owner) => {
    for (let i = from; i < to; i++, at++) {
      const index = sorted.order === null ? i : (sorted.order[i] as number)
      owners[at] = owner
      indexes[at] = index
      timestamps[at] = sorted.run.timestamps[index] as number
    }
  })
  for (const position of sortedIndexes(count, timestamps)) {
    const { run } = (due[owners[position] as number] as Due).sorted
    released.add(run, indexes[position] as number)
  }
}

/** Room for the index in a double that holds (time, index): 2^22 indexes, 2^31 ms. */
const indexRange = 2 ** 22
const timeRange = 2 ** 31

/**
 * Indexes 0 .. count-1 by (timestamp, index). Time and index are packed into one double where they
 * fit, since a Float64Array sorts without calling back.
 */
function sortedIndexes(count: number, timestamps: Float64Array): Uint32Array {
  let least = Infinity
  let greatest = -Infinity
  for (let i = 0; i < count; i++) {
    const timestamp = timestamps[i] as number
    if (timestamp < least) least = timestamp
    if (timestamp > greatest) greatest = timestamp
  }
  const indexes = new Uint32Array(count)
  if (count <= indexRange && greatest - least < timeRange && Number.isInteger(least)) {
    const packed = new Float64Array(count)
    for (let i = 0; i < count; i++) packed[i] = ((timestamps[i] as number) - least) * indexRange + i
    packed.sort()
    for (let i = 0; i < count; i++) indexes[i] = (packed[i] as number) % indexRange
    return indexes
  }
  for (let i = 0; i < count; i++) indexes[i] = i
  return indexes.sort((a, b) => (timestamps[a] as number) - (timestamps[b] as number) || a - b)
}
