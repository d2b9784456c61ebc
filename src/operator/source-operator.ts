import type { Decoder } from '../decode/decoder.ts'
import { assert } from '../errors.ts'
import type { EventCheck } from '../expression/event-schema.ts'
import type { Column, ColumnBatch } from '../stream/column-batch.ts'
import { ValueKind } from '../stream/column-batch.ts'
import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { isTimestamp, type TimeUnit, timestampReader } from '../time/event-timestamp.ts'
import { SplitWatermark, type WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { DeadLetterCause, RejectedEvent, RejectionKind, SideOutput } from './side-output.ts'

/** A decoded batch with its times; a row counts where `selected` is 1. Valid until the next one. */
export interface TimedBatch {
  readonly columns: ColumnBatch
  readonly timestamps: Float64Array
  readonly selected: Uint8Array
  /** Where the next hop records that a row was already put into dead letters. */
  readonly rejectedRows: Set<number>
  /** Where the next hop records that a row came too late since its split had been idle. */
  readonly lateRows: Set<number>
}

/** A hop behind the source operator. */
export interface TimedBatchReceiver {
  /** @returns index by which the receiver will know the split */
  addSplit(split: Split): number
  processBatch(split: number, batch: TimedBatch): void
  /** The split's watermark, epoch ms. */
  advanceWatermark(split: number, watermark: number): void
  markIdle(split: number): void
}

export interface SourceOperatorOptions {
  /** The first one: see `replaceDecoder`. */
  readonly decoder: Decoder
  /** Index of the time field among the decoder's columns. */
  readonly timeColumn: number
  readonly timeField: string
  readonly timeUnit: TimeUnit
  /** Gives a row's time in place of the time field, whole epoch ms, or says what is wrong with it. */
  readonly assignTimestamp?: (columns: ColumnBatch, row: number) => number | string
  readonly watermarks: WatermarkStrategy
  /** Says what is wrong with an event by the stream's schema: it costs a parse of each record. */
  readonly check?: EventCheck
  /** Only events in [from, to) count, epoch ms: a replay of a stretch of history. */
  readonly from: number
  readonly to: number
}

/** What a stream brought, by what became of it: each record counts once. */
export interface SourceCounts {
  events: number
  late: number
  /** In time for their split, but time had gone on without it while it was idle. */
  lateAfterIdle: number
  deadLetters: number
  /** Outside of [from, to). */
  outOfRange: number
}

/**
 * The first hop of a stream: decodes, reads event times, tells late events from those in time by
 * their own split's watermark, in offset order (D3).
 */
export class SourceOperator {
  readonly counts: SourceCounts = {
    events: 0,
    late: 0,
    lateAfterIdle: 0,
    deadLetters: 0,
    outOfRange: 0,
  }
  readonly #options: SourceOperatorOptions
  readonly #receivers: TimedBatchReceiver[]
  #decoder: Decoder
  readonly #sideOutput: SideOutput
  readonly #readTimestamp: (column: Column, row: number) => number | string
  readonly #splits: SourceSplit[] = []
  #timestamps = new Float64Array(0)
  #selected = new Uint8Array(0)

  constructor(
    options: SourceOperatorOptions,
    receivers: readonly TimedBatchReceiver[],
    sideOutput: SideOutput,
  ) {
    this.#options = options
    this.#receivers = [...receivers]
    this.#decoder = options.decoder
    this.#sideOutput = sideOutput
    this.#readTimestamp = timestampReader(options.timeUnit, options.timeField)
  }

  /** Adds a split, also while others are being read. */
  addSplit(split: Split): number {
    const watermark = new SplitWatermark(this.#options.watermarks.outOfOrdernessMs)
    const channels = this.#receivers.map((receiver) => receiver.addSplit(split))
    return this.#splits.push({ split, watermark, channels, isIdle: false, hasEnded: false }) - 1
  }

  /** Adds a hop between two batches: it gets what comes from now on. */
  addReceiver(receiver: TimedBatchReceiver): void {
    this.#receivers.push(receiver)
    for (const [
      index,
      { split, watermark, channels, isIdle, hasEnded },
    ] of this.#splits.entries()) {
      const channel = receiver.addSplit(split)
      channels.push(channel)
      receiver.advanceWatermark(channel, watermark.current)
      if (isIdle) receiver.markIdle(channel)
      if (hasEnded) this.endSplit(index)
    }
  }

  /** Reads with another decoder from the next batch on: the columns that there were, and more. */
  replaceDecoder(decoder: Decoder): void {
    this.#decoder = decoder
  }

  /** The greatest event time of all splits, epoch ms; minus infinity before the first event. */
  get greatestTimestamp(): number {
    return Math.max(-Infinity, ...this.#splits.map(({ watermark }) => watermark.greatest))
  }

  /** The split's watermark, epoch ms; minus infinity before its first event. */
  watermarkOf(split: number): number {
    return this.#splits[split]?.watermark.current ?? -Infinity
  }

  /** The split's greatest event time, epoch ms; minus infinity before its first event. */
  greatestTimestampOf(split: number): number {
    return this.#splits[split]?.watermark.greatest ?? -Infinity
  }

  /** Goes on where a checkpoint left the split: `greatest` is its greatest event time, epoch ms. */
  restoreSplit(split: number, greatest: number): void {
    this.#splits[split]?.watermark.observe(greatest)
  }

  /** Whether no record that the split may still bring can count: all of them are late or behind `to`. */
  isPast(split: number): boolean {
    return this.watermarkOf(split) >= this.#options.to - 1
  }

  processBatch(splitIndex: number, batch: RecordBatch): void {
    const state = this.#splits[splitIndex]
    assert(state !== undefined, 'a batch comes from a split that was added')
    state.isIdle = false
    const columns = this.#decoder.decode(batch)
    this.#reserve(batch.count)
    const timed = {
      columns,
      timestamps: this.#timestamps,
      selected: this.#selected,
      rejectedRows: new Set<number>(),
      lateRows: new Set<number>(),
    }
    this.#rejectMalformed(timed)
    this.#assignTimestamps(state, timed)
    const rejectedHere = timed.rejectedRows.size
    for (let i = 0; i < this.#receivers.length; i++) {
      const receiver = this.#receivers[i] as TimedBatchReceiver
      const channel = state.channels[i] as number
      receiver.processBatch(channel, timed)
      receiver.advanceWatermark(channel, Math.min(state.watermark.current, this.#options.to - 1))
    }
    this.counts.deadLetters += timed.rejectedRows.size
    // What a receiver leaves out was counted as an event; one may find late what has no key for another.
    const late = [...timed.lateRows].filter((row) => !timed.rejectedRows.has(row)).length
    this.counts.lateAfterIdle += late
    this.counts.events -= timed.rejectedRows.size - rejectedHere + late
  }

  /** The split no longer holds time. */
  markIdle(splitIndex: number): void {
    const state = this.#splits[splitIndex]
    if (state !== undefined) state.isIdle = true
    this.#receivers.forEach((receiver, i) => {
      receiver.markIdle(state?.channels[i] as number)
    })
  }

  /** The split has ended: time goes to infinity, or to the end of the stretch that is replayed. */
  endSplit(splitIndex: number): void {
    const { to } = this.#options
    const state = this.#splits[splitIndex]
    if (state !== undefined) state.hasEnded = true
    this.advanceSplit(splitIndex, to === Infinity ? Infinity : to - 1)
  }

  /** Nothing at or before `watermark`, epoch ms, will come from the split any more. */
  advanceSplit(splitIndex: number, watermark: number): void {
    const state = this.#splits[splitIndex]
    this.#receivers.forEach((receiver, i) => {
      receiver.advanceWatermark(state?.channels[i] as number, watermark)
    })
  }

  /** Finds the records that are no events of the stream, whatever their time is. */
  #rejectMalformed(timed: TimedBatch): void {
    const { batch, rejected, valid } = timed.columns
    const { check } = this.#options
    // What a source could not take may look like a whole record, or like a broken one.
    for (const [row, { cause, reason }] of batch.faults ?? []) {
      this.#deadLetter(cause, timed, row, reason)
    }
    for (const { row, reason } of rejected) {
      if (!timed.rejectedRows.has(row)) this.#deadLetter('json', timed, row, reason)
    }
    if (check === undefined) return
    for (let row = 0; row < batch.count; row++) {
      if (valid[row] === 0 || timed.rejectedRows.has(row)) continue
      const text = batch.bytes.toString('utf8', batch.starts[row], batch.ends[row])
      const fault = check(JSON.parse(text))
      if (fault !== null) this.#deadLetter('schema', timed, row, fault)
    }
  }

  #assignTimestamps({ watermark }: SourceSplit, timed: TimedBatch): void {
    const { timeColumn, timeUnit, assignTimestamp, watermarks, from, to } = this.#options
    const { columns, timestamps, selected } = timed
    const { batch, valid } = columns
    const column = columns.columns[timeColumn] as Column
    // Whole milliseconds are by far the most common; the reader serves the rest.
    const plainUnit = timeUnit === 'ms'
    const anyMalformed = timed.rejectedRows.size > 0
    for (let row = 0; row < batch.count; row++) {
      selected[row] = 0
      if (valid[row] === 0 || (anyMalformed && timed.rejectedRows.has(row))) continue
      const number = column.numbers[row] as number
      const plain = plainUnit && column.kinds[row] === ValueKind.number && isTimestamp(number)
      const timestamp =
        batch.timestamps?.[row] ??
        assignTimestamp?.(columns, row) ??
        (plain ? number : this.#readTimestamp(column, row))
      if (typeof timestamp === 'string') {
        this.#deadLetter('time', timed, row, timestamp)
      } else if (isSkewed(batch, row, timestamp, watermarks.maxFutureSkewMs)) {
        const limit = `${watermarks.maxFutureSkewMs} ms`
        const reason = `event time ${timestamp} is more than ${limit} ahead of its time of ingest`
        this.#deadLetter('future', timed, row, reason)
      } else if (timestamp < from || timestamp >= to) {
        this.counts.outOfRange++
        // As in the run that is replayed: what comes behind it may be late.
        if (timestamp >= to) watermark.observe(timestamp)
      } else if (watermark.isLate(timestamp)) {
        this.counts.late++
        const reason = `event time is at or below the watermark ${watermark.current}`
        this.#sideOutput(rejectedEvent('late', batch, row, reason))
      } else {
        watermark.observe(timestamp)
        timestamps[row] = timestamp
        selected[row] = 1
        this.counts.events++
      }
    }
  }

  #deadLetter(cause: DeadLetterCause, timed: TimedBatch, row: number, reason: string) {
    timed.rejectedRows.add(row)
    this.#sideOutput(rejectedEvent('dead_letter', timed.columns.batch, row, reason, cause))
  }

  #reserve(count: number): void {
    if (this.#timestamps.length >= count) return
    this.#timestamps = new Float64Array(count)
    this.#selected = new Uint8Array(count)
  }
}

interface SourceSplit {
  readonly split: Split
  readonly watermark: SplitWatermark
  /** The split's index at each receiver. */
  readonly channels: number[]
  /** Whether it no longer holds time, as far as it has brought nothing since. */
  isIdle: boolean
  hasEnded: boolean
}

function isSkewed(batch: RecordBatch, row: number, timestamp: number, maxSkewMs: number): boolean {
  const ingested = batch.ingestTimes?.[row]
  return ingested !== undefined && timestamp > ingested + maxSkewMs
}

/** A record as the side output takes it. */
export function rejectedEvent(
  kind: RejectionKind,
  batch: RecordBatch,
  row: number,
  reason: string,
  cause?: DeadLetterCause,
): RejectedEvent {
  const raw = batch.bytes.toString('latin1', batch.starts[row], batch.ends[row])
  const rejected = { kind, ...batch.split, offset: batch.offsets[row] as number, reason, raw }
  return cause === undefined ? rejected : { ...rejected, cause }
}
