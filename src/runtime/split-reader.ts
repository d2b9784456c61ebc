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
  readonly host: ReaderHost
}

/** What it takes to wait out failures of the outside that may pass. */
export interface ReaderHost {
  readonly clock: Clock
  readonly scheduler: Scheduler
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
  /** What keeps records from coming, as its last poll says; undefined: nothing. */
  problem: string | undefined
  readonly #ingestClock: Clock | null
  readonly #host: ReaderHost
  /** Failures in a row that may pass, and when the reader is asked again, epoch ms. */
  #failures = 0
  #retryAt = -Infinity
  #retryProblem = ''
  #poll: Promise<void> | null = null
  #result: PollResult | null = null
  #failure: unknown = null

  constructor(options: SplitReaderOptions) {
    const { reader, operator, split, watermarks, ingestClock, position, host } = options
    this.reader = reader
    this.operator = operator
    this.split = split
    this.watermarks = watermarks
    this.position = position ?? reader.start
    this.#ingestClock = ingestClock
    this.#host = host
  }

  /** A reader of a split that has come to be beside this one, of the same stream. */
  forNewSplit(reader: SourceReader): SplitReader {
    const { operator, watermarks } = this
    const split = operator.addSplit(reader.split)
    const [ingestClock, host] = [this.#ingestClock, this.#host]
    return new SplitReader({ reader, operator, split, watermarks, ingestClock, host })
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
    if (result?.kind === 'idle') this.position = result.next ?? this.position
    this.problem = result?.kind === 'idle' ? result.problem : undefined
    return result as PollResult
  }

  #startPoll(): Promise<void> {
    const { clock, scheduler } = this.#host
    const waitMs = this.#retryAt - clock.now()
    if (waitMs > 0) {
      return scheduler.sleep(Math.min(waitMs, pollWaitMs)).then(() => {
        this.#result = this.#nothingYet()
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

  #noteFailure(failure: unknown): void {
    if (!(failure instanceof ConnectorError) || !failure.retryable) {
      this.#failure = failure
      return
    }
    const waitMs = backoffMs(++this.#failures)
    this.#retryAt = this.#host.clock.now() + waitMs
    this.#retryProblem = `${failure.message}; trying again in ${waitMs} ms`
    this.#result = this.#nothingYet()
  }

  /** What may pass is waited out; nobody knows what is outside meanwhile: the split holds time. */
  #nothingYet(): PollResult {
    return { kind: 'idle', untilMs: 0, backlog: true, problem: this.#retryProblem }
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
