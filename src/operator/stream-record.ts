import type { Split } from '../stream/event.ts'

/** A value on its way through a program. */
export interface StreamRecord<T> {
  readonly value: T
  /** Event time, epoch ms. */
  readonly timestamp: number
  /** The split that it, or what it was made of, came from; a keyed operator is a split of its own. */
  readonly split: Split
  /** Ordinal of the record within its split. */
  readonly offset: number
}

/** An operator as those before it see it. All calls are synchronous. */
export interface RecordReceiver<T> {
  /** Told before the first record, in order of (stream, partition); a split may come by two ways. */
  addSplit(split: Split): void
  processElement(record: StreamRecord<T>): void
  /** No record at or before `watermark`, epoch ms, will come any more; also ends idleness. */
  advanceWatermark(watermark: number): void
  /** Time no longer waits for this input. */
  markIdle(): void
}

/** Where an operator's records go: to every receiver, in the order in which they were added. */
export class RecordOutput<T> implements RecordReceiver<T> {
  readonly #receivers: RecordReceiver<T>[] = []

  addReceiver(receiver: RecordReceiver<T>): void {
    this.#receivers.push(receiver)
  }

  addSplit(split: Split): void {
    for (const receiver of this.#receivers) receiver.addSplit(split)
  }

  processElement(record: StreamRecord<T>): void {
    for (const receiver of this.#receivers) receiver.processElement(record)
  }

  advanceWatermark(watermark: number): void {
    for (const receiver of this.#receivers) receiver.advanceWatermark(watermark)
  }

  markIdle(): void {
    for (const receiver of this.#receivers) receiver.markIdle()
  }
}

/** A receiver that hands records to a function, and time and splits on to the outputs as they are. */
export function passingReceiver<T>(
  processElement: (record: StreamRecord<T>) => void,
  outputs: () => Iterable<RecordReceiver<never>>,
): RecordReceiver<T> {
  return {
    processElement,
    addSplit(split) {
      for (const output of outputs()) output.addSplit(split)
    },
    advanceWatermark(watermark) {
      for (const output of outputs()) output.advanceWatermark(watermark)
    },
    markIdle() {
      for (const output of outputs()) output.markIdle()
    },
  }
}
