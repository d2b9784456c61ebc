import type { Split } from './event.ts'

/**
 * Records of one split as a source read them: bytes and positions, not yet decoded.
 * Record i is `bytes[starts[i] .. ends[i])`. The buffer belongs to the batch until it is
 * released: whoever keeps something longer copies it.
 */
export interface RecordBatch {
  readonly split: Split
  readonly bytes: Buffer
  readonly count: number
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Ordinals of the records within the split, ascending. */
  readonly offsets: Float64Array
  /**
   * Records that their source did not take whole, by row, with what is wrong: dead letters, of which
   * only the first bytes are here.
   */
  readonly tooLong?: ReadonlyMap<number, string>
  /** When each record was appended or ingested, epoch ms; absent for files, which skip the check. */
  readonly ingestTimes?: Float64Array
  /** Event times, epoch ms, where they are no field of the record: then no field is read for them. */
  readonly timestamps?: Float64Array
  /** Gives the buffer back to the source; called at most once, when the batch has been processed. */
  readonly release?: () => void
}
