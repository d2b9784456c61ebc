import { CurrentKey } from '../state/current-key.ts'
import { HeapKeyedStateBackend } from '../state/heap-keyed-state-backend.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { KeyedStateStore } from '../state/keyed-state-store.ts'
import { type ArrivedEvent, eventOf, isBefore, type Split } from '../stream/event.ts'
import { canonicalKey, type KeyFailure } from '../stream/key.ts'
import { hashKey } from '../stream/key-group.ts'
import type { Clock } from '../time/clock.ts'
import { EventRun, EventTimeSorter, ReleasedEvents } from '../time/event-time-sorter.ts'
import { KeyedTimerService, timerSlots } from '../time/timer-service.ts'
import { KeyedContext } from './keyed-context.ts'
import type { TaggedOutputs } from './output-tag.ts'
import type { KeyedProcessFunction } from './process-function.ts'
import type { RecordReceiver, StreamRecord } from './stream-record.ts'

export interface KeyedProcessOptions<In> {
  /** Names the operator: it is the stream of what it emits. */
  readonly name: string
  readonly selectKey: (value: In) => unknown
  readonly clock: Clock
  /** Default: on the heap. */
  readonly backend?: KeyedStateBackend
  /** Takes a record that came after its time, since its split had been idle. */
  readonly onLate: (record: StreamRecord<In>) => void
  /** Takes a record whose selected key is none. */
  readonly onKeyless: (record: StreamRecord<In>, failure: KeyFailure) => void
}

/** So many entries are looked at for expired state each turn. */
const sweptEntries = 256

/** What a program's value costs beside its event, roughly: nobody can tell. */
const valueBytes = 350

/**
 * Runs a KeyedProcessFunction: sorts records by event time, and lets timers fire between them (D3).
 * What the function sees does not depend on how records came in batches.
 */
export class KeyedProcessOperator<K, In, Out> implements RecordReceiver<In> {
  readonly #function: KeyedProcessFunction<K, In, Out>
  readonly #options: KeyedProcessOptions<In>
  readonly #outputs: TaggedOutputs<Out>
  readonly #key: CurrentKey
  readonly #timers: KeyedTimerService
  readonly #state: KeyedStateStore
  readonly #context: KeyedContext<K, Out>
  readonly #sorter = new EventTimeSorter()
  readonly #released = new ReleasedEvents()
  /** What came since the last watermark, by split in the order of the sorter. */
  readonly #inputs = new Map<Split, SplitInput>()
  readonly #ownSplit: Split
  /** The last watermark that the next operators were told. */
  #sentWatermark = -Infinity

  constructor(
    processFunction: KeyedProcessFunction<K, In, Out>,
    outputs: TaggedOutputs<Out>,
    options: KeyedProcessOptions<In>,
  ) {
    this.#function = processFunction
    this.#outputs = outputs
    this.#options = options
    const { clock, name, backend = new HeapKeyedStateBackend() } = options
    this.#key = new CurrentKey(backend)
    this.#timers = new KeyedTimerService(this.#key, clock)
    this.#state = new KeyedStateStore(this.#key, timerSlots, () => clock.now())
    this.#ownSplit = { stream: name, partition: 0 }
    this.#context = new KeyedContext(this.#key, this.#state, this.#timers, outputs, this.#ownSplit)
  }

  /** Number of keys that have state or timers. */
  get openKeys(): number {
    return this.#key.size
  }

  /** Processing time at which the next timer is due, epoch ms; infinity: there is none. */
  get nextProcessingTimer(): number {
    return this.#timers.processingTimers.nextAt
  }

  /** What waits for the watermark, roughly, bytes. */
  get bufferedBytes(): number {
    return this.#sorter.bytes
  }

  open(): void {
    this.#function.open?.(this.#context)
  }

  close(): void {
    this.#function.close?.()
  }

  addSplit(split: Split): void {
    if (this.#inputs.has(split)) return
    if (this.#inputs.size === 0) {
      for (const output of this.#outputs) output.addSplit(this.#ownSplit)
    }
    const rank = [...this.#inputs.keys()].filter((known) => isBefore(known, split)).length
    const sorterSplit = this.#sorter.addSplit(rank)
    this.#inputs.set(split, { sorterSplit, run: new EventRun(), keys: [] })
  }

  processElement(record: StreamRecord<In>): void {
    const key = canonicalKey(this.#options.selectKey(record.value))
    if (typeof key === 'string') {
      this.#options.onKeyless(record, key)
    } else if (record.timestamp <= this.#sorter.watermark) {
      this.#options.onLate(record)
    } else {
      const { run, keys } = this.#inputs.get(record.split) as SplitInput
      const { timestamp, split, offset, value } = record
      const start = run.keysEnd
      keys.push(key)
      // The sorter carries the value as the event's one field.
      const event = eventOf(timestamp, split, offset, 0, noWords, [value], '')
      run.add(event, start, start + key.length, hashKey(key) | 0)
      run.bytes += valueBytes
    }
  }

  advanceWatermark(watermark: number): void {
    for (const input of this.#inputs.values()) this.#handOver(input)
    this.#sorter.release(watermark, this.#released)
    this.#processReleased()
    if (watermark === Infinity) this.#finish()
    else if (watermark > this.#timers.watermark) this.#advanceTimers(watermark)
    this.#sentWatermark = watermark
    for (const output of this.#outputs) output.advanceWatermark(watermark)
  }

  markIdle(): void {
    for (const output of this.#outputs) output.markIdle()
  }

  /** Fires the timers of processing time that are due, and removes some of what has expired. */
  advanceProcessingTime(now: number): void {
    this.#timers.processingTimers.fireUpTo(now, this.#onProcessingTimer)
    this.#state.sweep(sweptEntries)
  }

  #handOver(input: SplitInput): void {
    if (input.keys.length === 0) return
    input.run.arena = Buffer.concat(input.keys)
    this.#sorter.add(input.sorterSplit, input.run)
    input.run = new EventRun()
    input.keys = []
  }

  #processReleased(): void {
    const { count, events, arenas, keyStarts, keyEnds, hashes } = this.#released
    for (let index = 0; index < count; index++) {
      const event = events[index] as ArrivedEvent
      const { timestamp } = event
      // Timers before the event go first; those at its own time wait for all events of that time.
      if (timestamp - 1 > this.#timers.watermark) this.#advanceTimers(timestamp - 1)
      const start = keyStarts[index] as number
      const end = keyEnds[index] as number
      this.#key.select(arenas[index] as Buffer, start, end, hashes[index] as number)
      this.#context.begin(timestamp, 'event', timestamp)
      this.#function.processElement(event.field(0) as In, this.#context, this.#context)
      this.#key.release()
    }
    this.#released.clear()
  }

  /** Fires the timers up to a watermark; each sees its own time as the watermark. */
  #advanceTimers(watermark: number): void {
    this.#timers.eventTimers.fireUpTo(watermark, this.#onEventTimer)
    this.#timers.watermark = watermark
  }

  /** The input has ended: each timer fires once, those of processing time too (D3). */
  #finish(): void {
    const { eventTimers, processingTimers } = this.#timers
    eventTimers.end()
    processingTimers.end()
    eventTimers.fireUpTo(Number.MAX_VALUE, this.#onEventTimer)
    processingTimers.fireUpTo(Number.MAX_VALUE, this.#onProcessingTimer)
    this.#timers.watermark = Infinity
  }

  readonly #onEventTimer = (timestamp: number): void => {
    if (timestamp > this.#timers.watermark) this.#timers.watermark = timestamp
    // A timer that was registered too late must not make late events.
    this.#context.begin(timestamp, 'event', Math.max(timestamp, this.#sentWatermark + 1))
    this.#function.onTimer?.(timestamp, this.#context, this.#context)
  }

  readonly #onProcessingTimer = (timestamp: number): void => {
    const eventTime = this.#timers.watermark + 1
    this.#context.begin(eventTime, 'processing', eventTime)
    this.#function.onTimer?.(timestamp, this.#context, this.#context)
  }
}

interface SplitInput {
  readonly sorterSplit: number
  run: EventRun
  /** The keys of the run's events, which become its arena. */
  keys: Buffer[]
}

const noWords: readonly number[] = []
