import type { PollResult, SourcePosition, SourceReader } from '../connector/source.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import type { Clock } from '../time/clock.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'

export interface SplitReaderOptions {
  readonly reader: SourceReader
  readonly operator: SourceOperator
  /** The split's index at its operator. */
  readonly split: number
  readonly watermarks: WatermarkStrategy
  /** Gives records their time of ingest; `null`: the source is not live. */
  readonly ingestClock: Clock | null
  /** Where the reader goes on; undefined: it starts anew. */
  readonly position?: SourcePosition | undefined
}

/**
 * A reader with the poll that is under way: the next batch is read while this one is processed.
 */
export class SplitReader {
  readonly reader: SourceReader
  readonly operator: SourceOperator
  readonly watermarks: WatermarkStrategy
  readonly split: number
  ended = false
  /** Whether its last poll gave nothing. */
  empty = false
  /** Processing time since which it has been without backlog too, epoch ms; infinity: it is not. */
  silentSince = Infinity
  /** Whether it no longer holds time. */
  idle = false
  /** Where a reader goes on after what `take` has given; undefined: at the beginning, or unknown. */
  position: SourcePosition | undefined
  /** What keeps records from coming, as its last poll says; undefined: nothing. */
  problem: string | undefined
  readonly #ingestClock: Clock | null
  #poll: Promise<void> | null = null
  #result: PollResult | null = null
  #failure: unknown = null

  constructor(options: SplitReaderOptions) {
    const { reader, operator, split, watermarks, ingestClock, position } = options
    this.reader = reader
    this.operator = operator
    this.split = split
    this.watermarks = watermarks
    this.position = position ?? reader.start
    this.#ingestClock = ingestClock
  }

  /** A reader of a split that has come to be beside this one, of the same stream. */
  forNewSplit(reader: SourceReader): SplitReader {
    const { operator, watermarks } = this
    const split = operator.addSplit(reader.split)
    return new SplitReader({ reader, operator, split, watermarks, ingestClock: this.#ingestClock })
  }

  /** Epoch ms; minus infinity before the first event. */
  get watermark(): number {
    return this.operator.watermarkOf(this.split)
  }

  /** Whether `take` has something to give. */
  get ready(): boolean {
    return this.#result !== null || this.#failure !== null
  }

  /** Whether `take` would give no more than that there is nothing. */
  get isEmptyHanded(): boolean {
    return this.#result?.kind === 'idle'
  }

  /** Resolves when `ready`; starts a poll if none is under way. Never rejects. */
  fetch(): Promise<void> {
    this.#poll ??= this.reader.pollBatch().then(
      (result) => {
        this.#result = this.#withIngestTimes(result)
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
    if (result?.kind === 'idle') this.position = result.next ?? this.position
    this.problem = result?.kind === 'idle' ? result.problem : undefined
    return result as PollResult
  }

  /** A batch may wait here while its split is paused: its time of ingest is that of the poll. */
  #withIngestTimes(result: PollResult): PollResult {
    if (this.#ingestClock === null || result.kind !== 'batch') return result
    const { batch } = result
    if (batch.ingestTimes !== undefined) return result
    const ingestTimes = new Float64Array(batch.count).fill(this.#ingestClock.now())
    return { ...result, batch: { ...batch, ingestTimes } }
  }
}
