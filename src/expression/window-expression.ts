import { parseSyntax } from './cel-parser.ts'
import type { Expression } from './expression.ts'
import { ExpressionBuilder } from './expression-builder.ts'
import type { ExpressionProblem, ExpressionScope } from './expression-scope.ts'
import type { AggregateName } from './list-aggregate.ts'

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
 * outside an aggregate may read the scope's names only, whatever its `bareFields` says.
 */
export function parseWindowExpression(
  text: string,
  scope: ExpressionScope,
):
  | { readonly expression: Expression; readonly aggregates: readonly WindowAggregate[] }
  | { readonly problems: readonly ExpressionProblem[] } {
  const parsed = parseSyntax(text)
  if ('problem' in parsed) return { problems: [parsed.problem] }
  const aggregates: WindowAggregate[] = []
  const builder = new ExpressionBuilder({ ...scope, bareFields: false }, aggregates)
  const { expression } = builder.value(parsed.ast)
  if (builder.problems.length > 0) return { problems: builder.problems }
  return { expression, aggregates }
}
