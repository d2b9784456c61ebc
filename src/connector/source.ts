import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/**
 * What a reader has just done. `idle` means: nothing now, more may come. With `backlog` the outside
 * has records that have not come yet, as with a slow broker: the split does not count as idle.
 */
export type PollResult =
  | { readonly kind: 'batch'; readonly batch: RecordBatch }
  | { readonly kind: 'idle'; readonly untilMs: number; readonly backlog?: boolean }
  | { readonly kind: 'end' }

/** Reads the records of one split, in offset order. */
export interface SourceReader {
  readonly split: Split
  /**
   * The next records. A batch is at most a few hundred KiB, so that one batch is processed within
   * its time budget. Where nothing is at hand it waits some 50 ms for more before it says `idle`.
   * @throws {TocsinError} INPUT_UNREADABLE, naming the input and the position.
   */
  pollBatch(): Promise<PollResult>
  /** Bytes read and bytes in all, for a progress bar; `total` is undefined where unknown. */
  progress(): { readonly read: number; readonly total: number | undefined }
  close(): Promise<void>
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
  /** One reader a split of the stream. */
  open(stream: string): Promise<readonly SourceReader[]>
}
