import type { ASTNode } from '@marcbachmann/cel-js'
import { parseSyntax } from './cel-parser.ts'
import type { Constraint, Expression } from './expression.ts'
import type { StringTest } from './string-test.ts'

/**
 * The texts that the outermost `&&`s of CEL text join, in order; the text itself where there are
 * none, or where it does not parse.
 */
export function conjunctTexts(text: string): string[] {
  const parsed = parseSyntax(text)
  if ('problem' in parsed) return [text]
  return nodesOf(parsed.ast).map(({ start, end }) => text.slice(start, end))
}

function nodesOf(node: ASTNode): ASTNode[] {
  if (node.op !== '&&') return [node]
  return (node.args as readonly ASTNode[]).flatMap(nodesOf)
}

/** What a JSON Schema was folded to, written like CEL; keywords without a sign by their names. */
export function schemaConjunctText(expression: Expression): string {
  switch (expression.kind) {
    case 'constraint':
      return constraintText(fieldText(expression.operand), expression.constraint)
    case 'has':
      return `has(${fieldText(expression.operand)})`
    case 'not':
      return `!(${schemaConjunctText(expression.operand)})`
    case 'and':
      return expression.operands.map(schemaConjunctText).join(' && ')
    case 'or':
      return expression.operands.map((part) => `(${schemaConjunctText(part)})`).join(' || ')
    case 'literal':
      return JSON.stringify(expression.value)
    default:
      return expression.kind
  }
}

function fieldText(operand: Expression): string {
  if (operand.kind !== 'field') return operand.kind
  return operand.path.length === 0 ? 'event' : operand.path.join('.')
}

function constraintText(field: string, constraint: Constraint): string {
  switch (constraint.kind) {
    case 'present':
      return `has(${field})`
    case 'types':
      return `${field} is ${constraint.types.join(' or ')}`
    case 'one_of': {
      const [only, ...others] = constraint.values
      const values = JSON.stringify(others.length === 0 ? only : constraint.values)
      return others.length === 0 ? `${field} == ${values}` : `${field} in ${values}`
    }
    case 'minimum':
      return `${field} ${constraint.exclusive ? '>' : '>='} ${constraint.limit}`
    case 'maximum':
      return `${field} ${constraint.exclusive ? '<' : '<='} ${constraint.limit}`
    case 'multiple_of':
      return `${field} is a multiple of ${constraint.divisor}`
    case 'min_length':
      return `size(${field}) >= ${constraint.length}`
    case 'max_length':
      return `size(${field}) <= ${constraint.length}`
    case 'pattern':
      return `${field} ${stringTestText(constraint.test)}`
    case 'not_object':
      return `${field} is no object`
    case 'schema':
      return `${field} fits ${JSON.stringify(constraint.schema)}`
  }
}

function stringTestText(test: StringTest): string {
  switch (test.kind) {
    case 'pattern':
      return `matches ${JSON.stringify(test.pattern)}`
    case 'equals':
      return `== ${JSON.stringify(test.text)}`
    case 'prefix':
      return `starts with ${JSON.stringify(test.text)}`
    case 'suffix':
      return `ends with ${JSON.stringify(test.text)}`
    case 'contains':
      return `contains ${JSON.stringify(test.text)}`
  }
}
