import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js'
import { ExpressionBuilder } from './expression-builder.ts'
import type { ExpressionProblem, ExpressionScope, ParsedExpression } from './expression-scope.ts'
import { Type } from './static-type.ts'

/** Limits of one expression; beyond them it is a problem, not a slow rule. */
export const expressionLimits = {
  textLengthMax: 8192,
  nodesMax: 1000,
  depthMax: 50,
} as const

/**
 * Parses CEL text and checks it against what its place knows. Never throws for what an author may
 * write: mistakes come back as problems, all of them but for syntax errors, of which the first.
 */
export function parseExpression(text: string, scope: ExpressionScope): ParsedExpression {
  const parsed = parseSyntax(text)
  if ('problem' in parsed) return { problems: [parsed.problem] }
  const builder = new ExpressionBuilder(scope)
  const { expression, type } = builder.value(parsed.ast)
  if (scope.result === 'boolean' && (type & Type.boolean) === 0) {
    builder.report(parsed.ast, 'a condition must be true or false')
  }
  return builder.problems.length > 0 ? { problems: builder.problems } : { expression }
}

/** The syntax tree of CEL text, or its first syntax error. */
export function parseSyntax(
  text: string,
): { readonly ast: ASTNode } | { readonly problem: ExpressionProblem } {
  if (text.length > expressionLimits.textLengthMax) {
    const message = `the expression is longer than ${expressionLimits.textLengthMax} characters`
    return { problem: { message, start: 0, end: text.length } }
  }
  try {
    return { ast: syntax.parse(text).ast }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const start = Math.min(error.range?.start ?? 0, text.length)
    const end = Math.min(Math.max(error.range?.end ?? start, start), text.length)
    return { problem: { message: error.summary, start, end } }
  }
}

const syntax = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  limits: {
    maxAstNodes: expressionLimits.nodesMax,
    maxDepth: expressionLimits.depthMax,
    maxListElements: 500,
    maxMapEntries: 100,
    maxCallArguments: 16,
  },
})
