import { TocsinError } from '../errors.ts'
import type { ExpressionScope, ParsedExpression } from './expression-scope.ts'

/** Parses and checks CEL text. Never throws for what an author may write. */
export function parseExpression(_text: string, _scope: ExpressionScope): ParsedExpression {
  throw new TocsinError('ASSERTION', 'not built yet')
}
