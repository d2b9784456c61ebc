import type { ColumnBatch, FieldPath } from '../stream/column-batch.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/** The fields that a compiled rule set reads from a stream. */
export interface DecodePlan {
  readonly fields: readonly FieldPath[]
}

/**
 * Turns records into columns. Every implementation gives the same answer for the same bytes:
 * the reference is `JSON.parse` (duplicate names: the last one counts; own properties only).
 */
export interface Decoder {
  /** The result is valid until the next call: columns may be reused. */
  decode(batch: RecordBatch): ColumnBatch
}
