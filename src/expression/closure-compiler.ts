import type { FieldPath } from '../stream/column-batch.ts'
import type { Event } from '../stream/event.ts'
import type { Expression, TakenList, TakenReference } from './expression.ts'
import type { ExpressionEnvironment } from './expression-environment.ts'
import { functionNamed } from './function-library.ts'
import {
  arithmetics,
  comparisons,
  elementAt,
  elementsOf,
  isIn,
  negate,
  not,
  satisfies,
} from './operation.ts'
import { passes } from './string-test.ts'
import { propertyOf } from './value.ts'

/** Evaluates an expression; `undefined` is CEL's error. */
export type Evaluate<C> = (context: C) => unknown

/** What every evaluation carries: the values (or events) of the macros' variables. */
export interface EvaluationContext {
  readonly variables: unknown[]
}

/** How expressions are read in one place: over the rows of a batch, or over events. */
export interface EvaluationPlace<C extends EvaluationContext> {
  field(path: FieldPath): Evaluate<C>
  readonly eventTime: Evaluate<C>
  readonly stream: Evaluate<C>
  name(name: string): Evaluate<C>
  /** The last event that a step took. */
  last(step: number): (context: C) => Event | undefined
  /** All events that a step took, oldest first. */
  events(step: number): (context: C) => readonly Event[]
  /** A field of an event taken. */
  takenField(path: FieldPath): (event: Event) => unknown
  takenTime(event: Event): unknown
}

/** Compiles expressions to closures: the reference for generated code, and its stand-in. */
export class ClosureCompiler<C extends EvaluationContext> {
  readonly #place: EvaluationPlace<C>
  readonly #environment: ExpressionEnvironment

  constructor(place: EvaluationPlace<C>, environment: ExpressionEnvironment) {
    this.#place = place
    this.#environment = environment
  }

  compile(node: Expression): Evaluate<C> {
    switch (node.kind) {
      case 'literal': {
        const { value } = node
        return () => value
      }
      case 'field':
        return this.#place.field(node.path)
      case 'event_time':
        return this.#place.eventTime
      case 'stream':
        return this.#place.stream
      case 'name':
        return this.#place.name(node.name)
      case 'variable':
        return (context) => context.variables[node.variable]
      case 'select': {
        const operand = this.compile(node.operand)
        return (context) => propertyOf(operand(context), node.property)
      }
      case 'index':
        return this.#binary(node.operand, node.index, elementAt)
      case 'taken_field':
      case 'taken_time':
      case 'column':
      case 'taken_count':
        return this.#taken(node)
      case 'row':
      case 'in_table':
        return this.#table(node)
      case 'has': {
        const operand = this.compile(node.operand)
        return (context) => operand(context) !== undefined
      }
      case 'not':
        return this.#unary(node.operand, not)
      case 'negate':
        return this.#unary(node.operand, negate)
      case 'and':
        return this.#junction(node.operands, false)
      case 'or':
        return this.#junction(node.operands, true)
      case 'conditional':
        return this.#conditional(node)
      case 'compare':
        return this.#binary(node.left, node.right, comparisons[node.operator])
      case 'arithmetic':
        return this.#binary(node.left, node.right, arithmetics[node.operator])
      default:
        return this.#compound(node)
    }
  }

  #compound(
    node: Extract<
      Expression,
      { kind: 'in' | 'list' | 'map' | 'call' | 'matches' | 'macro' | 'constraint' }
    >,
  ): Evaluate<C> {
    switch (node.kind) {
      case 'in':
        return this.#binary(node.element, node.container, isIn)
      case 'list':
        return this.#list(node.elements)
      case 'map':
        return this.#map(node.entries)
      case 'call':
        return this.#call(node)
      case 'matches':
        return this.#unary(node.operand, (value) =>
          typeof value === 'string' ? passes(node.test, value) : undefined,
        )
      case 'macro':
        return this.#macro(node)
      case 'constraint': {
        const { constraint, whenMissing } = node
        return this.#unary(node.operand, (value) =>
          value === undefined ? whenMissing : satisfies(constraint, value),
        )
      }
    }
  }

  #unary(operandNode: Expression, evaluate: (value: unknown) => unknown): Evaluate<C> {
    const operand = this.compile(operandNode)
    return (context) => evaluate(operand(context))
  }

  #binary(
    leftNode: Expression,
    rightNode: Expression,
    evaluate: (left: unknown, right: unknown) => unknown,
  ): Evaluate<C> {
    const left = this.compile(leftNode)
    const right = this.compile(rightNode)
    return (context) => evaluate(left(context), right(context))
  }

  /** CEL's `&&` (decided by false) and `||` (by true): an error loses to a decision on any side. */
  #junction(nodes: readonly Expression[], decision: boolean): Evaluate<C> {
    const operands = nodes.map((node) => this.compile(node))
    return (context) => {
      let result: boolean | undefined = !decision
      for (const operand of operands) {
        const value = operand(context)
        if (value === decision) return decision
        if (value !== !decision) result = undefined
      }
      return result
    }
  }

  #conditional(node: Extract<Expression, { kind: 'conditional' }>): Evaluate<C> {
    const condition = this.compile(node.condition)
    const whenTrue = this.compile(node.whenTrue)
    const whenFalse = this.compile(node.whenFalse)
    return (context) => {
      const outcome = condition(context)
      if (outcome === true) return whenTrue(context)
      return outcome === false ? whenFalse(context) : undefined
    }
  }

  #list(nodes: readonly Expression[]): Evaluate<C> {
    const elements = nodes.map((node) => this.compile(node))
    return (context) => {
      const list = elements.map((element) => element(context))
      return list.includes(undefined) ? undefined : list
    }
  }

  #map(nodes: readonly (readonly [Expression, Expression])[]): Evaluate<C> {
    const entries = nodes.map(([key, value]) => [this.compile(key), this.compile(value)] as const)
    return (context) => {
      const map = new Map<string, unknown>()
      for (const [keyOf, valueOfEntry] of entries) {
        const key = keyOf(context)
        const value = valueOfEntry(context)
        if (typeof key !== 'string' || value === undefined || map.has(key)) return undefined
        map.set(key, value)
      }
      // Own properties whatever their names: `fromEntries` defines, so `__proto__` is one too.
      return Object.fromEntries(map)
    }
  }

  #call(node: Extract<Expression, { kind: 'call' }>): Evaluate<C> {
    const evaluate = functionNamed(node.function)?.evaluate ?? (() => undefined)
    const args = node.arguments.map((argument) => this.compile(argument))
    const [first, second] = args
    if (first !== undefined && args.length === 1) return (context) => evaluate(first(context))
    if (first !== undefined && second !== undefined && args.length === 2) {
      return (context) => evaluate(first(context), second(context))
    }
    return (context) => evaluate(...args.map((argument) => argument(context)))
  }

  #table(node: Extract<Expression, { kind: 'row' | 'in_table' }>): Evaluate<C> {
    const table = this.#environment.tables.get(node.table)
    const key = this.compile(node.key)
    if (node.kind === 'row') {
      return (context) => {
        const value = key(context)
        return value === undefined ? undefined : table?.row(value)
      }
    }
    return (context) => {
      const value = key(context)
      return value === undefined ? undefined : (table?.has(value) ?? false)
    }
  }

  #taken(
    node: Extract<Expression, { kind: 'taken_field' | 'taken_time' | 'column' | 'taken_count' }>,
  ): Evaluate<C> {
    if (node.kind === 'taken_field') {
      const event = this.#reference(node.event)
      const field = this.#place.takenField(node.path)
      return (context) => {
        const taken = event(context)
        return taken === undefined ? undefined : field(taken)
      }
    }
    if (node.kind === 'taken_time') {
      const event = this.#reference(node.event)
      return (context) => {
        const taken = event(context)
        return taken === undefined ? undefined : this.#place.takenTime(taken)
      }
    }
    const events = this.#events(node.events)
    if (node.kind === 'taken_count') return (context) => events(context)?.length
    const field = this.#place.takenField(node.path)
    return (context) =>
      events(context)
        ?.map(field)
        .filter((value) => value !== undefined && value !== null)
  }

  #reference(event: TakenReference): (context: C) => Event | undefined {
    switch (event.kind) {
      case 'last':
        return this.#place.last(event.step)
      case 'variable':
        return (context) => context.variables[event.variable] as Event | undefined
      case 'at': {
        const events = this.#events(event.events)
        const index = this.compile(event.index)
        return (context) => {
          const at = index(context)
          return Number.isInteger(at) ? events(context)?.at(at as number) : undefined
        }
      }
    }
  }

  /** `undefined` where a filter's condition is an error for one of them. */
  #events(list: TakenList): (context: C) => readonly Event[] | undefined {
    if (list.kind === 'step') return this.#place.events(list.step)
    const events = this.#events(list.events)
    const condition = this.compile(list.condition)
    return (context) => {
      const kept = filterBy(context, events(context), list.variable, condition)
      return kept as readonly Event[] | undefined
    }
  }

  #macro(node: Extract<Expression, { kind: 'macro' }>): Evaluate<C> {
    const source = this.#source(node.source)
    const condition = node.condition === null ? null : this.compile(node.condition)
    const transform = node.transform === null ? null : this.compile(node.transform)
    const { macro, variable } = node
    if (transform !== null) {
      return (context) => {
        const items = source(context)
        const kept = condition === null ? items : filterBy(context, items, variable, condition)
        return kept === undefined ? undefined : mapBy(context, kept, variable, transform)
      }
    }
    if (condition === null) return () => undefined
    if (macro === 'filter') {
      return (context) => filterBy(context, source(context), variable, condition)
    }
    if (macro === 'exists_one') {
      return (context) => {
        const kept = filterBy(context, source(context), variable, condition)
        return kept === undefined ? undefined : kept.length === 1
      }
    }
    const decision = macro === 'exists'
    return (context) => {
      const items = source(context)
      return items && quantify(context, items, variable, condition, decision)
    }
  }

  #source(
    source: Extract<Expression, { kind: 'macro' }>['source'],
  ): (context: C) => readonly unknown[] | undefined {
    if (source.kind === 'events') return this.#events(source.events)
    const value = this.compile(source.value)
    return (context) => elementsOf(value(context))
  }
}

function filterBy<C extends EvaluationContext>(
  context: C,
  items: readonly unknown[] | undefined,
  variable: number,
  condition: Evaluate<C>,
): readonly unknown[] | undefined {
  if (items === undefined) return undefined
  const kept: unknown[] = []
  for (const item of items) {
    context.variables[variable] = item
    const outcome = condition(context)
    if (outcome === true) kept.push(item)
    else if (outcome !== false) return undefined
  }
  return kept
}

function mapBy<C extends EvaluationContext>(
  context: C,
  items: readonly unknown[],
  variable: number,
  transform: Evaluate<C>,
): readonly unknown[] | undefined {
  const values: unknown[] = []
  for (const item of items) {
    context.variables[variable] = item
    const value = transform(context)
    if (value === undefined) return undefined
    values.push(value)
  }
  return values
}

/** `all` is decided by false, `exists` by true; an error loses to a decision. */
function quantify<C extends EvaluationContext>(
  context: C,
  items: readonly unknown[],
  variable: number,
  condition: Evaluate<C>,
  decision: boolean,
): boolean | undefined {
  let result: boolean | undefined = !decision
  for (const item of items) {
    context.variables[variable] = item
    const outcome = condition(context)
    if (outcome === decision) return decision
    if (outcome !== !decision) result = undefined
  }
  return result
}
