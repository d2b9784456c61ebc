import type { Split } from './event.ts'

/** Why a record is no event, as its source knows: it becomes a dead letter with this cause. */
export interface RecordFault {
  /** `format`: its source cannot make JSON of it; its bytes are as they came. */
  readonly cause: 'too_long' | 'format'
  readonly reason: string
}

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
  /** Records that are dead letters as they come, by row. Of one too long only the first bytes are here. */
  readonly faults?: ReadonlyMap<number, RecordFault>
  /** When each record was appended or ingested, epoch ms; absent where its source does not know. */
  readonly ingestTimes?: Float64Array
  /** Event times, epoch ms, where they are no field of the record: then no field is read for them. */
  readonly timestamps?: Float64Array
  /** Gives the buffer back to the source; called at most once, when the batch has been processed. */
  readonly release?: () => void
}
