import { type IngestLog, openIngestLog } from '../checkpoint/ingest-log.ts'
import type { IngestLogReader } from '../checkpoint/ingest-log-reader.ts'
import type { FileSystem } from '../connector/file-system.ts'
import type { PollResult, Source, SourcePosition, SourceReader } from '../connector/source.ts'
import { assert, ConnectorError, TocsinError } from '../errors.ts'
import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { Clock, Scheduler } from '../time/clock.ts'

export interface IngestLogSourceOptions {
  readonly files: FileSystem
  /** Where each split gets a folder `STREAM-PARTITION`; absolute, and there. */
  readonly directory: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Bytes that may be read before those ahead of them are durable. Default 4 MiB. */
  readonly aheadBytesMax?: number
  /** As of the log. */
  readonly groupMs?: number
  readonly groupBytes?: number
  readonly segmentBytes?: number
  readonly onStalled?: (failure: TocsinError, waitMs: number) => void
}

/**
 * Makes a source replayable that keeps nothing itself, as stdin or MQTT (D13): each batch is written
 * to a durable log before it is given on, gets its offsets there, and only then is acknowledged. A
 * position is a record's ordinal in the log; the log is cut where a checkpoint has passed. Receipts
 * are kept with the records that they are about.
 */
export function ingestLogSource(source: Source, options: IngestLogSourceOptions): Source {
  return {
    bounded: source.bounded,
    live: true,
    replayable: true,
    async open(stream, positions = new Map()) {
      const inputs = await source.open(stream)
      const readers: IngestLogSplitReader[] = []
      try {
        for (const input of inputs) {
          const { partition } = input.split
          const directory = `${options.directory}/${encodeURIComponent(stream)}-${partition}`
          const ledger = input.receipts?.createLedger()
          const kept = ledger === undefined ? {} : { ledger }
          const log = await openIngestLog({ ...options, ...kept, directory })
          input.receipts?.restore(ledger?.snapshot())
          const from = startOf(log, input.split, positions.get(partition))
          readers.push(new IngestLogSplitReader(input, log, from, options))
        }
      } catch (error) {
        for (const reader of readers) await reader.close()
        for (const input of inputs.slice(readers.length)) await input.close()
        throw error
      }
      return readers
    },
  }
}

function startOf(
  { first, end }: IngestLog,
  { stream, partition }: Split,
  position: SourcePosition | undefined,
): number {
  if (position === undefined) return first
  const { offset } = position
  if (offset >= first && offset <= end) return offset
  const held = first === end ? `nothing before ${end}` : `records ${first} to ${end - 1}`
  const message =
    `cannot go on at record ${offset} of ${stream}/${partition}: its ingest log holds ${held}; ` +
    'bring back the log that belongs to the checkpoint'
  throw new TocsinError('SOURCE_POSITION', message)
}

/** A batch that is being made durable. */
interface Ahead {
  readonly batch: RecordBatch
  readonly ingestTimes: Float64Array
  readonly bytes: number
  /** Resolves with the ordinal of its first record. */
  readonly durable: Promise<number>
}

class IngestLogSplitReader implements SourceReader {
  readonly split: Split
  readonly #input: SourceReader
  readonly #log: IngestLog
  readonly #clock: Clock
  readonly #aheadBytesMax: number
  /** Reads what the log held when it was opened; `null`: that is done. */
  #replay: IngestLogReader | null
  readonly #ahead: Ahead[] = []
  #aheadBytes = 0
  /** The poll of the input that is under way, and the failure or the end that it came to. */
  #poll: Promise<void> | null = null
  #idle: PollResult | null = null
  #inputOver: { readonly failure: unknown } | null = null
  #closed = false

  constructor(input: SourceReader, log: IngestLog, from: number, options: IngestLogSourceOptions) {
    this.split = input.split
    this.#input = input
    this.#log = log
    this.#clock = options.clock
    this.#aheadBytesMax = options.aheadBytesMax ?? 4 * 1024 * 1024
    this.#replay = log.read(from)
  }

  async pollBatch(): Promise<PollResult> {
    const replayed = await this.#nextReplayed()
    if (replayed !== null) return replayed
    while (!this.#closed) {
      this.#startPoll()
      const head = this.#ahead[0]
      if (head === undefined) {
        const { idle, over } = { idle: this.#idle, over: this.#inputOver }
        this.#idle = null
        if (idle !== null) return idle
        if (over !== null) return this.#endOf(over.failure)
        await this.#poll
        continue
      }
      // The input is read further while the head is made durable.
      const room = this.#poll === null ? [] : [this.#poll.then(() => null)]
      const first = await Promise.race([head.durable, ...room])
      if (first === null) continue
      await this.#acknowledge(head)
      const { batch, ingestTimes } = head
      if (batch.count > 0) return resultOf({ ...batch, ingestTimes }, first)
    }
    return { kind: 'end' }
  }

  leftOut(): Readonly<Record<string, number>> {
    return this.#input.leftOut?.() ?? {}
  }

  progress(): { readonly read: number; readonly total: number | undefined } {
    return this.#input.progress()
  }

  notifyCheckpointComplete(position: SourcePosition): Promise<void> {
    return this.#log.truncate(position.offset)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#input.close()
    await this.#log.close()
  }

  async #nextReplayed(): Promise<PollResult | null> {
    if (this.#closed || this.#replay === null) return null
    const records = await this.#replay.next()
    if (records === undefined) {
      this.#replay = null
      return null
    }
    const { first, receipts: _, ...batch } = records
    return resultOf({ split: this.split, ...batch }, first)
  }

  #startPoll(): void {
    const busy = this.#poll !== null || this.#idle !== null || this.#inputOver !== null
    if (busy || this.#aheadBytes >= this.#aheadBytesMax) return
    this.#poll = this.#input.pollBatch().then(
      (result) => {
        this.#poll = null
        this.#take(result)
      },
      (failure: unknown) => {
        this.#poll = null
        this.#inputOver = { failure }
      },
    )
  }

  #take(result: PollResult): void {
    switch (result.kind) {
      case 'end':
        this.#inputOver = { failure: null }
        return
      case 'idle':
        this.#idle = result
        return
      case 'splits':
        assert(false, 'a source that keeps nothing has the splits that it was opened with')
        return
      case 'batch': {
        const { batch, receipt } = result
        assert(batch.timestamps === undefined, 'a logged record holds its own event time')
        const ingestTimes =
          batch.ingestTimes ?? new Float64Array(batch.count).fill(this.#clock.now())
        const bytes = batch.count === 0 ? 0 : spanOf(batch)
        const kept = receipt === undefined ? {} : { receipt }
        const durable = this.#log.append({ ...batch, ...kept, ingestTimes })
        // Whoever polls is told; until then a failure must not be "unhandled".
        durable.catch(() => 0)
        this.#ahead.push({ batch, ingestTimes, bytes, durable })
        this.#aheadBytes += bytes
      }
    }
  }

  /** @throws {unknown} what the input came to grief with; what may pass is asked for again then */
  #endOf(failure: unknown): PollResult {
    if (failure === null) return { kind: 'end' }
    if (failure instanceof ConnectorError && failure.retryable) this.#inputOver = null
    throw failure
  }

  /** What could not be acknowledged is still the head: it is given once it is. */
  async #acknowledge(head: Ahead): Promise<void> {
    await this.#input.acknowledge?.(head.batch)
    this.#ahead.shift()
    this.#aheadBytes -= head.bytes
    this.#idle = null
  }
}

function spanOf({ starts, ends, count }: RecordBatch): number {
  return (ends[count - 1] as number) - (starts[0] as number)
}

/** A batch whose offsets are ordinals of the log. */
function resultOf(batch: Omit<RecordBatch, 'offsets'>, first: number): PollResult {
  const offsets = new Float64Array(batch.count)
  for (let row = 0; row < batch.count; row++) offsets[row] = first + row
  return { kind: 'batch', batch: { ...batch, offsets }, next: { offset: first + batch.count } }
}
