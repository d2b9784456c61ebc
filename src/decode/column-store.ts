import type { FieldPath } from '../stream/column-batch.ts'

/** The arrays of a column; they grow to the largest batch and are used again for every batch. */
export class ColumnStore {
  readonly path: FieldPath
  kinds: Uint8Array = new Uint8Array(0)
  numbers: Float64Array = new Float64Array(0)
  starts: Int32Array = new Int32Array(0)
  ends: Int32Array = new Int32Array(0)

  constructor(path: FieldPath) {
    this.path = path
  }

  /** Makes room for `count` rows, all missing. */
  clear(count: number): void {
    if (this.kinds.length < count) {
      const capacity = Math.max(count, 2 * this.kinds.length)
      this.kinds = new Uint8Array(capacity)
      this.numbers = new Float64Array(capacity)
      this.starts = new Int32Array(capacity)
      this.ends = new Int32Array(capacity)
    }
    this.kinds.fill(0, 0, count)
  }
}
