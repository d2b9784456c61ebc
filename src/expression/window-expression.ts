import { TocsinError } from '../errors.ts'
import type { Expression } from './expression.ts'
import type { ExpressionProblem, ExpressionScope } from './expression-scope.ts'

export type AggregateName =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'first'
  | 'last'
  | 'count'
  | 'distinct'
  | 'stddev'

/** An aggregate over a window's events: `sum(amount)`, `count()`. */
export interface WindowAggregate {
  readonly aggregate: AggregateName
  /** Evaluated for each event; `null` for `count()`. Missing and null values are left out. */
  readonly argument: Expression | null
  /** The name under which the expression reads its value (from `names` at evaluation). */
  readonly name: string
}

/**
 * Parses an entry of `let`: an expression over aggregates of the window's events. What stands
 * outside an aggregate may read the scope's names only.
 */
export function parseWindowExpression(
  _text: string,
  _scope: ExpressionScope,
):
  | { readonly expression: Expression; readonly aggregates: readonly WindowAggregate[] }
  | { readonly problems: readonly ExpressionProblem[] } {
  throw new TocsinError('ASSERTION', 'not built yet')
}
