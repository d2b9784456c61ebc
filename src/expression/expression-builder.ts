import type { ASTNode } from '@marcbachmann/cel-js'
import { CallBuilder } from './call-builder.ts'
import type {
  ArithmeticOperator,
  CompareOperator,
  Expression,
  MacroName,
  MacroSource,
  TakenList,
  TakenReference,
} from './expression.ts'
import type { ExpressionProblem, ExpressionScope, StepName } from './expression-scope.ts'
import { nearName } from './near-name.ts'
import { arithmeticType, compareType, type OperatorType } from './operator-type.ts'
import { describeType, fieldTypeOf, type StaticType, Type } from './static-type.ts'
import type { JsonObject } from './value.ts'
import type { WindowAggregate } from './window-expression.ts'

/** An expression that is a value, and what is known of its type. */
export interface TypedExpression {
  readonly expression: Expression
  readonly type: StaticType
}

type Schemas = readonly (JsonObject | null)[]

/** What a piece of syntax stands for: a value, or something that only some places can use. */
export type Meaning =
  | ({ readonly kind: 'value' } & TypedExpression)
  | { readonly kind: 'event'; readonly event: TakenReference; readonly schemas: Schemas }
  | { readonly kind: 'events'; readonly events: TakenList; readonly schemas: Schemas }
  | { readonly kind: 'tables' }
  | { readonly kind: 'table'; readonly table: string }

/** Turns a syntax tree into an expression; collects what is wrong with it. */
export class ExpressionBuilder {
  readonly problems: ExpressionProblem[] = []
  readonly scope: ExpressionScope
  /** Aggregates over a window's events, where the place has a window. */
  readonly windowAggregates: WindowAggregate[] | null
  readonly #variables: { readonly name: string; readonly meaning: Meaning }[] = []
  readonly #calls: CallBuilder

  constructor(scope: ExpressionScope, windowAggregates: WindowAggregate[] | null = null) {
    this.scope = scope
    this.windowAggregates = windowAggregates
    this.#calls = new CallBuilder(this)
  }

  /** The syntax as a value. */
  value(node: ASTNode): TypedExpression {
    return this.asValue(node, this.meaning(node))
  }

  /** What the syntax stands for. */
  meaning(node: ASTNode): Meaning {
    switch (node.op) {
      case 'value':
        return this.#literal(node, node.args)
      case 'id':
        return this.#name(node, node.args)
      case '.':
        return this.#select(node, this.meaning(node.args[0]), node.args[1])
      case '[]':
        return this.#index(node, node.args[0], node.args[1])
      case '.?':
      case '[?]':
        return this.fail(node, 'optional access is not supported: use has()')
      case 'call':
        return this.#calls.global(node, node.args[0], node.args[1])
      case 'rcall':
        return this.#calls.method(node, node.args[0], node.args[1], node.args[2])
      case '!_': {
        const operand = this.boolean(node.args)
        return valueMeaning({ kind: 'not', operand }, Type.boolean)
      }
      case '-_':
        return this.#negate(node, this.value(node.args))
      case '&&':
      case '||':
        return this.#junction(node.op === '&&' ? 'and' : 'or', node.args)
      case '?:': {
        const condition = this.boolean(node.args[0])
        const whenTrue = this.value(node.args[1])
        const whenFalse = this.value(node.args[2])
        return valueMeaning(
          {
            kind: 'conditional',
            condition,
            whenTrue: whenTrue.expression,
            whenFalse: whenFalse.expression,
          },
          whenTrue.type | whenFalse.type,
        )
      }
      case 'in':
        return this.#in(node, node.args)
      case 'list':
        return valueMeaning(
          { kind: 'list', elements: node.args.map((element) => this.value(element).expression) },
          Type.list,
        )
      case 'map':
        return this.#map(node.args)
      default:
        return this.#binary(node, node.op, node.args)
    }
  }

  /** A sub-expression that must be true or false. */
  boolean(node: ASTNode): Expression {
    const { expression, type } = this.value(node)
    if ((type & Type.boolean) === 0) {
      this.report(node, `must be true or false, and is a ${describeType(type)}`)
    }
    return expression
  }

  report(node: { start: number; end: number }, message: string, suggestion?: string): void {
    const { start, end } = node
    this.problems.push({ message, start, end, ...(suggestion === undefined ? {} : { suggestion }) })
  }

  fail(node: ASTNode, message: string, suggestion?: string): Meaning {
    this.report(node, message, suggestion)
    return valueMeaning({ kind: 'literal', value: null }, Type.any)
  }

  /** Events as values are JSON: the whole event, or a list of whole events. */
  asValue(node: ASTNode, meaning: Meaning): TypedExpression {
    switch (meaning.kind) {
      case 'value':
        return meaning
      case 'event':
        return {
          expression: { kind: 'taken_field', event: meaning.event, path: [] },
          type: Type.map,
        }
      case 'events':
        return {
          expression: { kind: 'column', events: meaning.events, path: [] },
          type: Type.list,
        }
      case 'tables':
      case 'table':
        this.report(node, 'a table is no value: use tables.NAME[key] or key in tables.NAME')
        return { expression: { kind: 'literal', value: null }, type: Type.any }
    }
  }

  /** The macro's source, with its variable in scope while `body` runs. */
  withVariable<T>(name: string, source: MacroSource, schemas: Schemas, body: (v: number) => T): T {
    const variable = this.#variables.length
    const meaning: Meaning =
      source.kind === 'events'
        ? {
            kind: 'event',
            event: { kind: 'variable', variable, step: source.events.step },
            schemas,
          }
        : valueMeaning({ kind: 'variable', variable }, Type.any)
    this.#variables.push({ name, meaning })
    const result = body(variable)
    this.#variables.pop()
    return result
  }

  /** The argument of an aggregate over a window: there, bare names are fields of each event. */
  windowArgument(node: ASTNode): Expression {
    const inner = new ExpressionBuilder({ ...this.scope, bareFields: true })
    const { expression } = inner.value(node)
    this.problems.push(...inner.problems)
    return expression
  }

  get macroDepth(): number {
    return this.#variables.length
  }

  #literal(node: ASTNode, value: unknown): Meaning {
    switch (typeof value) {
      case 'bigint':
        return valueMeaning({ kind: 'literal', value: Number(value) }, Type.number)
      case 'number':
        return valueMeaning({ kind: 'literal', value }, Type.number)
      case 'string':
        return valueMeaning({ kind: 'literal', value }, Type.string)
      case 'boolean':
        return valueMeaning({ kind: 'literal', value }, Type.boolean)
      default: {
        if (value === null) return valueMeaning({ kind: 'literal', value }, Type.null)
        if (value instanceof Uint8Array) return this.fail(node, 'JSON has no bytes')
        // The parser's own class for `1u`.
        return valueMeaning({ kind: 'literal', value: Number(value) }, Type.number)
      }
    }
  }

  /** RULES.md's order: variables of macros, then names of the language, steps, names, fields. */
  #name(node: ASTNode, name: string): Meaning {
    const variable = this.#variables.findLast((candidate) => candidate.name === name)
    if (variable !== undefined) return variable.meaning
    const { scope } = this
    if (scope.bareFields) {
      if (name === 'event') return this.#field(node, [])
      if (name === 'event_time') return valueMeaning(scope.eventTime, Type.timestamp)
      if (name === 'stream') return valueMeaning({ kind: 'stream' }, Type.string)
    }
    if (name === 'tables') return { kind: 'tables' }
    if (name === 'key' && scope.key !== null) return valueMeaning(scope.key, Type.any)
    const step = scope.steps.find((candidate) => candidate.name === name)
    if (step !== undefined) return eventsOf(step)
    if (scope.stepsOutOfReach.includes(name)) {
      const instead = `a field of that name is \`event.${name}\``
      return this.fail(node, `\`${name}\` is a step, and here events are judged alone; ${instead}`)
    }
    if (scope.laterSteps.includes(name)) {
      const instead = 'steps before this one and its own may be named'
      return this.fail(node, `\`${name}\` comes later and has no event yet; ${instead}`)
    }
    if (scope.names.includes(name)) return valueMeaning({ kind: 'name', name }, Type.any)
    if (scope.bareFields) return this.#field(node, [name])
    const near = nearName(name, [...scope.steps.map((s) => s.name), ...scope.names])
    return this.fail(node, `\`${name}\` is not known here`, near)
  }

  #field(node: ASTNode, path: readonly string[]): Meaning {
    const type = this.#fieldType(node, this.scope.schemas, path, this.scope.steps)
    return valueMeaning({ kind: 'field', path }, type)
  }

  #fieldType(
    node: ASTNode,
    schemas: Schemas,
    path: readonly string[],
    steps: readonly StepName[],
  ): StaticType {
    const found = fieldTypeOf(schemas, path)
    if (found.known) return path.length === 0 ? Type.map : found.type
    // Of a longer path, the part up to the unknown name has been reported already.
    if (found.depth < path.length - 1) return Type.any
    const name = path[found.depth] ?? ''
    // Only the outermost name could have been meant to be something else than a field.
    const others = found.depth === 0 ? [...steps.map((step) => step.name), ...this.scope.names] : []
    const start = node.op === '.' ? node.end - name.length : node.start
    this.report(
      { start, end: node.end },
      `the schema has no field \`${path.join('.')}\``,
      nearName(name, [...found.names, ...others]),
    )
    return Type.any
  }

  #select(node: ASTNode, operand: Meaning, property: string): Meaning {
    switch (operand.kind) {
      case 'tables':
        return this.#table(node, property)
      case 'table':
        return this.fail(node, `use tables.${operand.table}[key]`)
      case 'event':
        return this.#takenField(node, operand.event, [property], operand.schemas)
      case 'events':
        if (operand.events.kind === 'filter') {
          return this.fail(node, 'a filtered list has no last event: use .map(e, e.FIELD)')
        }
        return this.#takenField(
          node,
          { kind: 'last', step: operand.events.step },
          [property],
          operand.schemas,
        )
      case 'value':
        return this.#selectValue(node, operand, property)
    }
  }

  #selectValue(node: ASTNode, operand: TypedExpression, property: string): Meaning {
    const { expression } = operand
    if (expression.kind === 'field') return this.#field(node, [...expression.path, property])
    if (expression.kind === 'taken_field') {
      const { event, path } = expression
      const step = this.scope.steps.find((candidate) => candidate.index === event.step)
      return this.#takenField(node, event, [...path, property], step?.schemas ?? [])
    }
    if ((operand.type & Type.map) === 0) {
      return this.fail(node, `a ${describeType(operand.type)} has no field \`${property}\``)
    }
    return valueMeaning({ kind: 'select', operand: expression, property }, Type.any)
  }

  #takenField(
    node: ASTNode,
    event: TakenReference,
    path: readonly string[],
    schemas: Schemas,
  ): Meaning {
    return valueMeaning(
      { kind: 'taken_field', event, path },
      this.#fieldType(node, schemas, path, []),
    )
  }

  #table(node: ASTNode, table: string): Meaning {
    const { tables } = this.scope
    if (tables !== null && !tables.includes(table)) {
      return this.fail(node, `there is no table \`${table}\``, nearName(table, tables))
    }
    return { kind: 'table', table }
  }

  #index(node: ASTNode, operandNode: ASTNode, indexNode: ASTNode): Meaning {
    const operand = this.meaning(operandNode)
    const index = this.value(indexNode)
    const { expression } = index
    if (expression.kind === 'literal' && typeof expression.value === 'string') {
      if (operand.kind !== 'events' && operand.kind !== 'table') {
        return this.#select(node, operand, expression.value)
      }
    }
    switch (operand.kind) {
      case 'tables':
        return this.fail(node, 'a table is named by a constant: tables.NAME')
      case 'table':
        return valueMeaning({ kind: 'row', table: operand.table, key: expression }, Type.any)
      case 'event':
        return this.fail(indexNode, 'a field of an event is named by a constant')
      case 'events': {
        if ((index.type & Type.number) === 0) return this.fail(indexNode, 'must be a number')
        const { events, schemas } = operand
        const event = { kind: 'at', events, index: expression, step: events.step } as const
        return { kind: 'event', event, schemas }
      }
      case 'value':
        if ((operand.type & (Type.list | Type.map)) === 0) {
          return this.fail(node, `a ${describeType(operand.type)} has no elements`)
        }
        return valueMeaning(
          { kind: 'index', operand: operand.expression, index: expression },
          Type.any,
        )
    }
  }

  #negate(node: ASTNode, operand: TypedExpression): Meaning {
    const { expression } = operand
    if (expression.kind === 'literal' && typeof expression.value === 'number') {
      return valueMeaning({ kind: 'literal', value: -expression.value }, Type.number)
    }
    const type = operand.type & (Type.number | Type.duration)
    if (type === 0) return this.fail(node, `\`-\` does not go with ${describeType(operand.type)}`)
    return valueMeaning({ kind: 'negate', operand: expression }, type)
  }

  #junction(kind: 'and' | 'or', nodes: readonly ASTNode[]): Meaning {
    const operands = nodes.flatMap((node) => {
      const operand = this.boolean(node)
      return operand.kind === kind ? operand.operands : [operand]
    })
    return valueMeaning({ kind, operands }, Type.boolean)
  }

  #in(node: ASTNode, [elementNode, containerNode]: readonly [ASTNode, ASTNode]): Meaning {
    const element = this.value(elementNode)
    const container = this.meaning(containerNode)
    if (container.kind === 'table') {
      const { table } = container
      return valueMeaning({ kind: 'in_table', table, key: element.expression }, Type.boolean)
    }
    const { expression, type } = this.asValue(containerNode, container)
    if ((type & (Type.list | Type.map)) === 0) {
      return this.fail(node, `\`in\` asks a list, a map or a table, not a ${describeType(type)}`)
    }
    return valueMeaning(
      { kind: 'in', element: element.expression, container: expression },
      Type.boolean,
    )
  }

  #map(entries: readonly (readonly [ASTNode, ASTNode])[]): Meaning {
    const built = entries.map(([keyNode, valueNode]) => {
      const key = this.value(keyNode)
      if ((key.type & Type.string) === 0) this.report(keyNode, 'the keys of a map are strings')
      return [key.expression, this.value(valueNode).expression] as const
    })
    return valueMeaning({ kind: 'map', entries: built }, Type.map)
  }

  #binary(
    node: ASTNode,
    operator: ArithmeticOperator | CompareOperator,
    [leftNode, rightNode]: readonly [ASTNode, ASTNode],
  ): Meaning {
    const left = this.value(leftNode)
    const right = this.value(rightNode)
    const operands = { left: left.expression, right: right.expression }
    if (isArithmetic(operator)) {
      const type = this.#checked(node, arithmeticType(operator, left.type, right.type))
      return valueMeaning({ kind: 'arithmetic', operator, ...operands }, type)
    }
    const type = this.#checked(node, compareType(operator, left.type, right.type))
    return valueMeaning({ kind: 'compare', operator, ...operands }, type)
  }

  #checked(node: ASTNode, found: OperatorType): StaticType {
    if ('type' in found) return found.type
    this.report(node, found.problem)
    return Type.any
  }
}

/** A value as a meaning. */
export function valueMeaning(expression: Expression, type: StaticType): Meaning {
  return { kind: 'value', expression, type }
}

/** The list macros by the names that CEL gives them. */
export const macroNames: ReadonlyMap<string, MacroName> = new Map([
  ['all', 'all'],
  ['exists', 'exists'],
  ['exists_one', 'exists_one'],
  ['existsOne', 'exists_one'],
  ['map', 'map'],
  ['filter', 'filter'],
])

function eventsOf(step: StepName): Meaning {
  return { kind: 'events', events: { kind: 'step', step: step.index }, schemas: step.schemas }
}

function isArithmetic(operator: string): operator is ArithmeticOperator {
  return (
    operator === '+' || operator === '-' || operator === '*' || operator === '/' || operator === '%'
  )
}
