import type { Split } from '../stream/event.ts'
import type { RejectedEvent, SideOutput } from './side-output.ts'
import { rejectedEvent, type TimedBatch, type TimedBatchReceiver } from './source-operator.ts'
import type { RecordOutput } from './stream-record.ts'
import { WatermarkMerger } from './watermark-merger.ts'

/** Makes a row's value, or says why there is none. */
export type RowReader<T> = (timed: Pick<TimedBatch, 'columns'>, row: number) => RowValue<T>

export type RowValue<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'rejected'; readonly reason: string }

/** The hop between a source and a program: rows become records, splits' times become one. */
export class ProgramInput<T> implements TimedBatchReceiver {
  readonly #read: RowReader<T>
  readonly #output: RecordOutput<T>
  readonly #sideOutput: SideOutput
  readonly #rejected: RecordOutput<RejectedEvent>[]
  readonly #splits: { readonly split: Split; readonly channel: number }[] = []
  readonly #time: WatermarkMerger

  /** @param rejected outputs for what is left out: they share the source's time */
  constructor(
    read: RowReader<T>,
    output: RecordOutput<T>,
    rejected: RecordOutput<RejectedEvent>[],
    sideOutput: SideOutput,
  ) {
    this.#read = read
    this.#output = output
    this.#rejected = rejected
    this.#sideOutput = sideOutput
    this.#time = new WatermarkMerger(() => [output, ...rejected])
  }

  addSplit(split: Split): number {
    this.#output.addSplit(split)
    for (const output of this.#rejected) output.addSplit(split)
    return this.#splits.push({ split, channel: this.#time.addChannel() }) - 1
  }

  processBatch(splitIndex: number, timed: TimedBatch): void {
    const { columns, timestamps, selected } = timed
    const { batch } = columns
    const { split } = this.#splits[splitIndex] as { split: Split }
    for (let row = 0; row < batch.count; row++) {
      if (selected[row] !== 1) continue
      const result = this.#read(timed, row)
      if (result.kind === 'rejected') {
        timed.rejectedRows.add(row)
        this.#sideOutput(rejectedEvent('dead_letter', batch, row, result.reason, 'parse'))
        continue
      }
      const timestamp = timestamps[row] as number
      const offset = batch.offsets[row] as number
      this.#output.processElement({ value: result.value, timestamp, split, offset })
    }
  }

  /** Sends a rejected event on, just after the present time: behind a sort it is not late again. */
  emitRejected(output: RecordOutput<RejectedEvent>, rejected: RejectedEvent): void {
    const { stream, partition, offset } = rejected
    const known = this.#splits.find(
      ({ split }) => split.stream === stream && split.partition === partition,
    )
    if (known === undefined) return
    const { current } = this.#time
    const timestamp = Number.isFinite(current) ? current + 1 : 0
    output.processElement({ value: rejected, timestamp, split: known.split, offset })
  }

  advanceWatermark(splitIndex: number, watermark: number): void {
    this.#time.advance((this.#splits[splitIndex] as { channel: number }).channel, watermark)
  }

  markIdle(splitIndex: number): void {
    this.#time.markIdle((this.#splits[splitIndex] as { channel: number }).channel)
  }
}
