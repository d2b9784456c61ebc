import type { PollResult, SourcePosition, SourceReader } from '../connector/source.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'

/**
 * A reader with the poll that is under way: the next batch is read while this one is processed.
 */
export class SplitReader {
  readonly reader: SourceReader
  readonly operator: SourceOperator
  readonly watermarks: WatermarkStrategy
  /** The split's index at its operator. */
  readonly split: number
  ended = false
  /** Processing time since which it has had nothing, epoch ms; infinity: it has. */
  emptySince = Infinity
  /** Whether it no longer holds time. */
  idle = false
  /** Where a reader goes on after what `take` has given; undefined: at the beginning, or unknown. */
  position: SourcePosition | undefined
  #poll: Promise<void> | null = null
  #result: PollResult | null = null
  #failure: unknown = null

  constructor(
    reader: SourceReader,
    operator: SourceOperator,
    split: number,
    watermarks: WatermarkStrategy,
    position?: SourcePosition,
  ) {
    this.reader = reader
    this.operator = operator
    this.split = split
    this.watermarks = watermarks
    this.position = position
  }

  /** Epoch ms; minus infinity before the first event. */
  get watermark(): number {
    return this.operator.watermarkOf(this.split)
  }

  /** Whether `take` has something to give. */
  get ready(): boolean {
    return this.#result !== null || this.#failure !== null
  }

  /** Resolves when `ready`; starts a poll if none is under way. Never rejects. */
  fetch(): Promise<void> {
    this.#poll ??= this.reader.pollBatch().then(
      (result) => {
        this.#result = result
      },
      (failure: unknown) => {
        this.#failure = failure
      },
    )
    return this.#poll
  }

  /** @throws what the reader threw */
  take(): PollResult {
    const result = this.#result
    this.#poll = null
    this.#result = null
    if (this.#failure !== null) throw this.#failure
    if (result?.kind === 'batch') this.position = result.next
    return result as PollResult
  }
}
