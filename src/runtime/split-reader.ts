import type { PollResult, SourcePosition, SourceReader } from '../connector/source.ts'
import { ConnectorError } from '../errors.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import { backoffMs } from '../time/backoff.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
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
  readonly retry: SourceRetry
}

/** How failures of the outside that may pass are waited out. */
export interface SourceRetry {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Told of each failure, and after how long the same is tried again. */
  readonly onRetry: (failure: ConnectorError, waitMs: number) => void
}

/** The longest that a poll waits before it says that nothing has come, ms. */
const pollWaitMs = 50

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
  readonly #ingestClock: Clock | null
  readonly #retry: SourceRetry
  /** Failures in a row that may pass, and when the reader is asked again, epoch ms. */
  #failures = 0
  #retryAt = -Infinity
  #poll: Promise<void> | null = null
  #result: PollResult | null = null
  #failure: unknown = null

  constructor(options: SplitReaderOptions) {
    const { reader, operator, split, watermarks, ingestClock, position, retry } = options
    this.reader = reader
    this.operator = operator
    this.split = split
    this.watermarks = watermarks
    this.position = position
    this.#ingestClock = ingestClock
    this.#retry = retry
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
    this.#poll ??= this.#startPoll()
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

  #startPoll(): Promise<void> {
    const { clock, scheduler } = this.#retry
    const waitMs = this.#retryAt - clock.now()
    if (waitMs > 0) {
      return scheduler.sleep(Math.min(waitMs, pollWaitMs)).then(() => {
        this.#result = nothingYet
      })
    }
    return this.reader.pollBatch().then(
      (result) => {
        this.#failures = 0
        this.#result = this.#withIngestTimes(result)
      },
      (failure: unknown) => this.#noteFailure(failure),
    )
  }

  /** What may pass is waited out; nobody knows what is outside meanwhile: the split holds time. */
  #noteFailure(failure: unknown): void {
    if (!(failure instanceof ConnectorError) || !failure.retryable) {
      this.#failure = failure
      return
    }
    const waitMs = backoffMs(++this.#failures)
    this.#retryAt = this.#retry.clock.now() + waitMs
    this.#result = nothingYet
    this.#retry.onRetry(failure, waitMs)
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

const nothingYet: PollResult = { kind: 'idle', untilMs: 0, backlog: true }
