import type { Split } from '../stream/event.ts'
import type { RecordOutput, RecordReceiver } from './stream-record.ts'
import { WatermarkMerger } from './watermark-merger.ts'

/** Several streams of one type as one: its time is the least of theirs. */
export class UnionOperator<T> {
  readonly #output: RecordOutput<T>
  readonly #time: WatermarkMerger

  constructor(output: RecordOutput<T>) {
    this.#output = output
    this.#time = new WatermarkMerger(() => [output])
  }

  /** The receiver for one more of the streams. */
  addInput(): RecordReceiver<T> {
    const channel = this.#time.addChannel()
    return {
      addSplit: (split: Split) => this.#output.addSplit(split),
      processElement: (record) => this.#output.processElement(record),
      advanceWatermark: (watermark) => this.#time.advance(channel, watermark),
      markIdle: () => this.#time.markIdle(channel),
    }
  }
}
