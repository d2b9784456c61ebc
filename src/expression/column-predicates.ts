import { TocsinError } from '../errors.ts'
import type { ColumnBatch, FieldPath } from '../stream/column-batch.ts'
import type { Expression } from './expression.ts'
import type { ExpressionEnvironment } from './expression-environment.ts'

/** Unary predicates compiled over a batch: one pass over the rows for all of them. */
export interface ColumnPredicates {
  /** 32-bit words a row: ceil(predicates / 32). */
  readonly wordsPerRow: number
  /** By predicate: how often its value was CEL's error. */
  readonly errors: Float64Array
  /** By predicate: the row of its first error in the last batch; -1 without one. */
  readonly firstErrorRows: Int32Array
  /**
   * For each row with `selected[row] === 1`: sets bit (i & 31) of
   * `words[row * wordsPerRow + (i >> 5)]` for each predicate i that is true. `words` must come
   * with those bits clear.
   */
  evaluate(
    batch: ColumnBatch,
    timestamps: Float64Array,
    selected: Uint8Array,
    words: Int32Array,
  ): void
}

/** Compiles unary predicates; `columnIndexOf` gives the batch column of a path. */
export function compileColumnPredicates(
  _predicates: readonly Expression[],
  _columnIndexOf: (path: FieldPath) => number,
  _environment: ExpressionEnvironment,
): ColumnPredicates {
  throw new TocsinError('ASSERTION', 'not built yet')
}
