import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/** What a reader has just done. `idle` means: nothing now, more may come. */
export type PollResult =
  | { readonly kind: 'batch'; readonly batch: RecordBatch }
  | { readonly kind: 'idle'; readonly untilMs: number }
  | { readonly kind: 'end' }

/** Reads the records of one split, in offset order. */
export interface SourceReader {
  readonly split: Split
  /**
   * The next records. A batch is at most a few hundred KiB, so that one batch is processed within
   * its time budget.
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
  /** One reader a split of the stream. */
  open(stream: string): Promise<readonly SourceReader[]>
}
