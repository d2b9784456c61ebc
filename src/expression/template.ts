import { TocsinError } from '../errors.ts'
import type { Expression } from './expression.ts'
import type { ExpressionProblem, ExpressionScope } from './expression-scope.ts'

/** A text with expressions in it: `Card ${{ card }}: ${{ amount }}`. */
export interface Template {
  readonly parts: readonly TemplatePart[]
}

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly expression: Expression }

/** Parses a template; offsets of problems are those in the template's text. */
export function parseTemplate(
  _text: string,
  _scope: ExpressionScope,
): { readonly template: Template } | { readonly problems: readonly ExpressionProblem[] } {
  throw new TocsinError('ASSERTION', 'not built yet')
}

/** A value as a template shows it; CEL's error is the empty text. */
export function formatValue(_value: unknown): string {
  throw new TocsinError('ASSERTION', 'not built yet')
}
