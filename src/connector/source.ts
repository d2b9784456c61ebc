import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/**
 * Where a reader goes on. Its values are JSON, as it lies in checkpoints; only the source that gave
 * it knows what the details mean.
 */
export interface SourcePosition {
  /** Ordinal of the record that comes next; where that ordinal has no record, the first one after. */
  readonly offset: number
  /** What else it takes to find the record: a byte of a file, the seed of a generator. */
  readonly [detail: string]: number | string
}

/** What a reader has just done. */
export type PollResult =
  | {
      readonly kind: 'batch'
      readonly batch: RecordBatch
      /** Where a reader goes on after this batch; left out by a source that is not replayable. */
      readonly next?: SourcePosition
      /** What must be known of this batch after a crash: only where `receipts` are kept. */
      readonly receipt?: Uint8Array
    }
  /** Nothing now, more may come. */
  | {
      readonly kind: 'idle'
      readonly untilMs: number
      /** The outside has records that have not come yet: the split does not count as idle. */
      readonly backlog?: boolean
      /** Where a reader goes on, if it has passed places where no record is. */
      readonly next?: SourcePosition
      /** What keeps records from coming, for people: the source goes on trying by itself. */
      readonly problem?: string
    }
  /** The outside has splits that were not there before; the readers are the runtime's from now on. */
  | { readonly kind: 'splits'; readonly readers: readonly SourceReader[] }
  | { readonly kind: 'end' }

/**
 * What receipts say together: of a source that must know after a crash what it had taken, as one
 * with packets half way through their handshake. Only what is durable is in it.
 */
export interface ReceiptLedger {
  /** Takes the next receipt. */
  add(receipt: Uint8Array): void
  /** One receipt that says what all so far say; undefined: nothing. */
  snapshot(): Uint8Array | undefined
}

/** How a reader's receipts are kept: by whoever makes its records durable, in the same step. */
export interface ReceiptKeeping {
  createLedger(): ReceiptLedger
  /** Told before the first poll that receipts will be kept, and what those of earlier runs say. */
  restore(kept: Uint8Array | undefined): void
}

/** Reads the records of one split, in offset order. */
export interface SourceReader {
  readonly split: Split
  /** Where it has receipts to be kept beside its records. */
  readonly receipts?: ReceiptKeeping
  /** Where it starts: kept by checkpoints until it has given a position. Default: at the beginning. */
  readonly start?: SourcePosition
  /**
   * The next records. A batch is at most a few hundred KiB, so that one batch is processed within
   * its time budget; one with a receipt may be without records. Where nothing is at hand it waits
   * some 50 ms for more before it says `idle`.
   * @throws {TocsinError} INPUT_UNREADABLE, naming the input and the position; a retryable
   *   `ConnectorError`: it is polled again after a while, and must go on then where it was
   */
  pollBatch(): Promise<PollResult>
  /** Bytes read and bytes in all, for a progress bar; `total` is undefined where unknown. */
  progress(): { readonly read: number; readonly total: number | undefined }
  /**
   * Told of each batch in order, once nothing of it can be lost any more, or, where nothing is
   * durable, once it has been processed: a source that must confirm what it takes does it now. Only
   * where `replayable` is not set.
   */
  acknowledge?(batch: RecordBatch): Promise<void>
  /**
   * Records that it took and left out on purpose, in all since it was opened, by why: `duplicate` for
   * those that came again.
   */
  leftOut?(): Readonly<Record<string, number>>
  /** Told that nothing more of it can count: a reader of a long history ends, others need not. */
  finish?(): void
  /** Told that no reader will ever go on before `position`: a checkpoint with it is durable. */
  notifyCheckpointComplete?(position: SourcePosition): Promise<void>
  close(): Promise<void>
}

/** Event times of a replay, epoch ms: [from, to); a bound that is left out bounds nothing. */
export interface HistoryRange {
  readonly from?: number
  readonly to?: number
}

/** An outside system that records come from. */
export interface Source {
  /** Whether it ends: a bounded job ends with its sources. */
  readonly bounded: boolean
  /**
   * Whether records are read as they happen, default false: their time of ingest is noted, and one
   * whose event time is far beyond it goes to dead letters. Of files nothing is known.
   */
  readonly live?: boolean
  /**
   * Whether its readers give positions and `open` takes them, so that exactly the same records come
   * again. Default false: what such a source gave is gone, unless an ingest log keeps it.
   */
  readonly replayable?: boolean
  /**
   * The same records as a source that ends, for a replay: at the same positions, up to where the
   * outside ends when it is first opened; what it gives outside of the range does not count. Opening
   * it again gives the same records. Default: a bounded source is its own history.
   */
  history?(range: HistoryRange): Source
  /**
   * One reader a split of the stream.
   * @param positions by partition, where its reader goes on; a partition without one starts anew
   * @throws {TocsinError} INPUT_UNREADABLE; SOURCE_POSITION: the records after a position are no
   *   longer there, or are others; a retryable `ConnectorError`: it is opened again after a while
   */
  open(
    stream: string,
    positions?: ReadonlyMap<number, SourcePosition>,
  ): Promise<readonly SourceReader[]>
  /**
   * Tries whether records could be read, and reads none: for `tocsin check --connect`. Default: it is
   * opened and closed.
   * @throws {ConnectorError} INPUT_UNREADABLE: why not, and what to do
   */
  checkConnection?(): Promise<void>
}
