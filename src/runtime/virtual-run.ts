import type { SourceOperator } from '../operator/source-operator.ts'
import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/**
 * Drives a pipeline without sources, in virtual time: events are handed in one by one, and time
 * moves when it is told to. Rule tests and conformance cases run so.
 */
export class VirtualRun {
  readonly #sources: ReadonlyMap<string, SourceOperator>
  readonly #splits = new Map<string, number>()

  /** Splits are partition 0 of each stream. */
  constructor(sources: ReadonlyMap<string, SourceOperator>) {
    this.#sources = sources
    for (const stream of [...sources.keys()].sort()) {
      const operator = sources.get(stream) as SourceOperator
      this.#splits.set(stream, operator.addSplit({ stream, partition: 0 }))
    }
  }

  /**
   * Offers an event; `offset` is its position in the stream. `timestamp`, epoch ms, is its time;
   * without it the stream's time field is read.
   */
  offer(stream: string, event: unknown, offset: number, timestamp?: number): void {
    this.offerText(stream, JSON.stringify(event), offset, timestamp)
  }

  /** The same for an event as JSON text: its numbers keep all their digits. */
  offerText(stream: string, text: string, offset: number, timestamp?: number): void {
    const split = this.#splits.get(stream)
    if (split === undefined) return
    const batch = singleRecord({ stream, partition: 0 }, Buffer.from(text), offset)
    this.#sources
      .get(stream)
      ?.processBatch(
        split,
        timestamp === undefined ? batch : { ...batch, timestamps: Float64Array.of(timestamp) },
      )
  }

  /** The greatest event time of all events that were taken in, epoch ms; minus infinity: none was. */
  get greatestTimestamp(): number {
    let greatest = -Infinity
    for (const [stream, split] of this.#splits) {
      greatest = Math.max(
        greatest,
        this.#sources.get(stream)?.greatestTimestampOf(split) ?? greatest,
      )
    }
    return greatest
  }

  /** Moves time: nothing at or before `watermark`, epoch ms, will come any more. */
  advance(watermark: number): void {
    for (const [stream, split] of this.#splits) {
      this.#sources.get(stream)?.advanceSplit(split, watermark)
    }
  }
}

/** Room for a scanner that looks a little ahead. */
const paddingBytes = 8

function singleRecord(split: Split, text: Buffer, offset: number): RecordBatch {
  const bytes = Buffer.alloc(text.length + paddingBytes, 0x0a)
  text.copy(bytes)
  return {
    split,
    bytes,
    count: 1,
    starts: Int32Array.of(0),
    ends: Int32Array.of(text.length),
    offsets: Float64Array.of(offset),
  }
}
