import type { FieldPath } from '../stream/column-batch.ts'
import type { Expression, TakenList, TakenReference } from './expression.ts'
import { Duration, isObject, Timestamp } from './value.ts'

/** What an expression reads. */
export interface ExpressionReads {
  /** Paths of the current event (of the last event taken, where there is no current one). */
  readonly fields: readonly FieldPath[]
  /** Paths of events that steps took. */
  readonly taken: readonly { readonly step: number; readonly path: FieldPath }[]
  /** Names of fields that it takes from values: of a list's items, of a table's row. */
  readonly properties: readonly string[]
  /** Steps whose events it reads or counts. */
  readonly steps: readonly number[]
  readonly tables: readonly string[]
  /** Names that must be given at evaluation. */
  readonly names: readonly string[]
  /** Reads the current event, its stream and time, tables and constants only. */
  readonly unary: boolean
}

export function readsOf(expression: Expression): ExpressionReads {
  const fields = new Map<string, FieldPath>()
  const taken = new Map<string, { step: number; path: FieldPath }>()
  const steps = new Set<number>()
  const tables = new Set<string>()
  const names = new Set<string>()
  const properties = new Set<string>()
  const readTaken = (step: number, path: FieldPath) =>
    taken.set(JSON.stringify([step, path]), { step, path })
  walk(expression, (node) => {
    if (node.kind === 'field') fields.set(JSON.stringify(node.path), node.path)
    else if (node.kind === 'name') names.add(node.name)
    else if (node.kind === 'select') properties.add(node.property)
    else if (node.kind === 'row' || node.kind === 'in_table') tables.add(node.table)
    else if (node.kind === 'taken_field') readTaken(node.event.step, node.path)
    else if (node.kind === 'column') readTaken(node.events.step, node.path)
    for (const step of stepsOf(node)) steps.add(step)
  })
  return {
    fields: [...fields.values()],
    taken: [...taken.values()],
    properties: [...properties],
    steps: [...steps].sort((a, b) => a - b),
    tables: [...tables],
    names: [...names],
    unary: steps.size === 0 && names.size === 0,
  }
}

/**
 * A canonical text: equal for expressions that are written differently in trifles only (order of
 * operands of `&&`, `||`, `==`, and `5 < x` for `x > 5`).
 */
export function expressionKey(expression: Expression): string {
  return keyOf(expression)
}

/** All of them hold; cheap ones first, which two-sided absorption allows. Empty: always true. */
export function conjunction(expressions: readonly Expression[]): Expression {
  const operands = expressions
    .flatMap((expression) => (expression.kind === 'and' ? expression.operands : [expression]))
    .filter((operand) => !(operand.kind === 'literal' && operand.value === true))
  const [only, ...others] = operands
  if (only === undefined) return { kind: 'literal', value: true }
  if (others.length === 0) return only
  return { kind: 'and', operands: operands.sort((a, b) => costOf(a) - costOf(b)) }
}

/** A condition's unary and iterative parts; both must hold. `null`: nothing of that sort. */
export function splitUnary(expression: Expression): {
  readonly unary: Expression | null
  readonly iterative: Expression | null
} {
  const whole = conjunction([expression])
  const operands = whole.kind === 'and' ? whole.operands : [whole]
  const isTrue = whole.kind === 'literal' && whole.value === true
  const unary = isTrue ? [] : operands.filter((operand) => readsOf(operand).unary)
  const iterative = operands.filter((operand) => !readsOf(operand).unary)
  return {
    unary: unary.length === 0 ? null : conjunction(unary),
    iterative: iterative.length === 0 ? null : conjunction(iterative),
  }
}

/** The number of nodes of an expression. */
export function sizeOf(expression: Expression): number {
  let nodes = 0
  walk(expression, () => nodes++)
  return nodes
}

/** Calls `visit` for an expression and everything in it. */
function walk(expression: Expression, visit: (node: Expression) => void): void {
  visit(expression)
  for (const part of partsOf(expression)) walk(part, visit)
}

function partsOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'literal':
    case 'field':
    case 'event_time':
    case 'stream':
    case 'name':
    case 'variable':
      return []
    case 'select':
    case 'has':
    case 'not':
    case 'negate':
    case 'matches':
    case 'constraint':
      return [node.operand]
    case 'index':
      return [node.operand, node.index]
    case 'taken_field':
    case 'taken_time':
      return partsOfReference(node.event)
    case 'column':
    case 'taken_count':
      return partsOfList(node.events)
    case 'row':
    case 'in_table':
      return [node.key]
    case 'and':
    case 'or':
      return node.operands
    case 'conditional':
      return [node.condition, node.whenTrue, node.whenFalse]
    case 'compare':
    case 'arithmetic':
      return [node.left, node.right]
    case 'in':
      return [node.element, node.container]
    case 'list':
      return node.elements
    case 'map':
      return node.entries.flat()
    case 'call':
      return node.arguments
    case 'macro': {
      const { source, condition, transform } = node
      const inSource = source.kind === 'value' ? [source.value] : partsOfList(source.events)
      return [...inSource, ...[condition, transform].filter((part) => part !== null)]
    }
  }
}

function partsOfReference(event: TakenReference): readonly Expression[] {
  return event.kind === 'at' ? [event.index, ...partsOfList(event.events)] : []
}

function partsOfList(events: TakenList): readonly Expression[] {
  return events.kind === 'filter' ? [events.condition, ...partsOfList(events.events)] : []
}

function stepsOf(node: Expression): readonly number[] {
  switch (node.kind) {
    case 'taken_field':
    case 'taken_time':
      return [node.event.step]
    case 'column':
    case 'taken_count':
      return [node.events.step]
    case 'macro':
      return node.source.kind === 'events' ? [node.source.events.step] : []
    default:
      return []
  }
}

/** A rough measure of the work: only the order of costs matters. */
function costOf(expression: Expression): number {
  let cost = 0
  walk(expression, (node) => {
    cost += costs.get(node.kind) ?? 1
    if (node.kind === 'matches' && node.test.kind === 'pattern') cost += 100
    if (node.kind === 'constraint' && node.constraint.kind === 'schema') cost += 50
    if (node.kind === 'constraint' && node.constraint.kind === 'pattern') cost += 20
    if (node.kind === 'compare' && isTextLiteral(node.right)) cost += 1
  })
  return cost
}

const costs: ReadonlyMap<Expression['kind'], number> = new Map([
  ['call', 10],
  ['matches', 3],
  ['macro', 50],
  ['column', 30],
  ['taken_count', 10],
  ['taken_field', 4],
  ['taken_time', 4],
  ['row', 10],
  ['in_table', 10],
])

function isTextLiteral(node: Expression): boolean {
  return node.kind === 'literal' && typeof node.value === 'string'
}

function keyOf(node: Expression): string {
  if (node.kind === 'and' || node.kind === 'or') {
    return `(${node.kind} ${[...new Set(node.operands.map(keyOf))].sort().join(' ')})`
  }
  if (node.kind === 'compare') {
    const [left, right] = [keyOf(node.left), keyOf(node.right)]
    const isEquality = node.operator === '==' || node.operator === '!='
    const isTurned = isEquality ? left > right : node.operator.startsWith('>')
    const operator = isEquality ? node.operator : node.operator.replace('>', '<')
    return isTurned ? `(${operator} ${right} ${left})` : `(${operator} ${left} ${right})`
  }
  const parts = Object.entries(node).map(([name, part]) => `${name}:${keyOfPart(name, part)}`)
  return `{${parts.sort().join(',')}}`
}

/** What is data (constants, schemas) is written as JSON; nodes of the tree as their keys. */
function keyOfPart(name: string, part: unknown): string {
  if (part === undefined || typeof part === 'function') return '-'
  if (part instanceof Timestamp) return `timestamp(${part.epochMs})`
  if (part instanceof Duration) return `duration(${part.milliseconds})`
  if (Object.is(part, -0)) return '-0'
  if (name === 'value' && isNode(part)) return keyOf(part)
  if (name === 'value' || name === 'values' || name === 'schema') return canonicalJson(part)
  if (Array.isArray(part)) return `[${part.map((item) => keyOfPart('', item)).join(',')}]`
  if (isNode(part)) return keyOf(part)
  return canonicalJson(part)
}

function isNode(part: unknown): part is Expression {
  return isObject(part) && typeof part.kind === 'string'
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value) ?? String(value)
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(',')}}`
}
