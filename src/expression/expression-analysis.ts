import { TocsinError } from '../errors.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Expression } from './expression.ts'

/** What an expression reads. */
export interface ExpressionReads {
  /** Paths of the current event (of the last event taken, where there is no current one). */
  readonly fields: readonly FieldPath[]
  /** Paths of events that steps took. */
  readonly taken: readonly { readonly step: number; readonly path: FieldPath }[]
  /** Steps whose events it reads or counts. */
  readonly steps: readonly number[]
  readonly tables: readonly string[]
  /** Names that must be given at evaluation, `key` too. */
  readonly names: readonly string[]
  /** Reads the current event, its stream and time, tables and constants only. */
  readonly unary: boolean
}

export function readsOf(_expression: Expression): ExpressionReads {
  throw new TocsinError('ASSERTION', 'not built yet')
}

/** A canonical text: equal for expressions that are written differently in trifles only. */
export function expressionKey(_expression: Expression): string {
  throw new TocsinError('ASSERTION', 'not built yet')
}

/** All of them hold; cheap ones first, which two-sided absorption allows. Empty: always true. */
export function conjunction(_expressions: readonly Expression[]): Expression {
  throw new TocsinError('ASSERTION', 'not built yet')
}

/** A condition's unary and iterative parts; both must hold. `null`: nothing of that sort. */
export function splitUnary(_expression: Expression): {
  readonly unary: Expression | null
  readonly iterative: Expression | null
} {
  throw new TocsinError('ASSERTION', 'not built yet')
}
