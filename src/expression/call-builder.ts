import type { ASTNode } from '@marcbachmann/cel-js'
import type { Expression, MacroName, MacroSource } from './expression.ts'
import { expressionKey } from './expression-analysis.ts'
import {
  type ExpressionBuilder,
  type Meaning,
  macroNames,
  valueMeaning,
} from './expression-builder.ts'
import { type FunctionDefinition, functionNamed, functionNames } from './function-library.ts'
import { isAggregate } from './list-aggregate.ts'
import { nearName } from './near-name.ts'
import { describeType, Type } from './static-type.ts'
import { parsePattern } from './string-test.ts'
import { isTimeZone } from './time-value.ts'
import { Duration, Timestamp } from './value.ts'

const macroDepthMax = 3

/** Turns calls into expressions: functions, list macros, `has`, aggregates over events. */
export class CallBuilder {
  readonly #builder: ExpressionBuilder

  constructor(builder: ExpressionBuilder) {
    this.#builder = builder
  }

  /** `f(x)`. */
  global(node: ASTNode, name: string, nodes: readonly ASTNode[]): Meaning {
    if (name === 'has') return this.#has(node, nodes)
    if (this.#builder.windowAggregates !== null && isAggregate(name) && nodes.length < 2) {
      return this.#windowAggregate(node, name, nodes[0])
    }
    const definition = functionNamed(name)
    if (definition === undefined || definition.style === 'method') {
      return this.#unknown(node, name, definition)
    }
    const [first] = nodes
    if (first !== undefined && nodes.length === 1) {
      const overEvents = this.#overEvents(name, first)
      if (overEvents !== undefined) return overEvents
    }
    if (name === 'elapsed') return this.#call(node, name, definition, nodes, this.#times(nodes))
    return this.#call(node, name, definition, nodes)
  }

  /** `x.f()`. */
  method(node: ASTNode, name: string, receiver: ASTNode, nodes: readonly ASTNode[]): Meaning {
    const macro = macroNames.get(name)
    if (macro !== undefined) return this.#macro(node, macro, receiver, nodes)
    const definition = functionNamed(name)
    if (definition === undefined || definition.style === 'global') {
      return this.#unknown(node, name, definition)
    }
    const overEvents = name === 'size' ? this.#overEvents(name, receiver) : undefined
    return overEvents ?? this.#call(node, name, definition, [receiver, ...nodes])
  }

  #unknown(node: ASTNode, name: string, definition: FunctionDefinition | undefined): Meaning {
    if (definition !== undefined) {
      const form = definition.style === 'method' ? `x.${name}(...)` : `${name}(x, ...)`
      return this.#builder.fail(node, `\`${name}\` is written ${form}`)
    }
    const near = nearName(name, [...functionNames(), ...macroNames.keys(), 'has'])
    return this.#builder.fail(node, `there is no function \`${name}\``, near)
  }

  /** Whether a name would be there: of fields, steps, names and what is selected from them. */
  #has(node: ASTNode, nodes: readonly ASTNode[]): Meaning {
    const [argument] = nodes
    if (argument === undefined || nodes.length > 1) {
      return this.#builder.fail(node, 'has() takes one argument')
    }
    if (argument.op !== 'id' && argument.op !== '.' && argument.op !== '[]') {
      return this.#builder.fail(argument, 'has() asks for a name: has(x), has(x.y)')
    }
    const meaning = this.#builder.meaning(argument)
    if (meaning.kind === 'events') {
      const left: Expression = { kind: 'taken_count', events: meaning.events }
      const right: Expression = { kind: 'literal', value: 0 }
      return valueMeaning({ kind: 'compare', operator: '>', left, right }, Type.boolean)
    }
    const operand = this.#builder.asValue(argument, meaning).expression
    return valueMeaning({ kind: 'has', operand }, Type.boolean)
  }

  /** `count(b)`, `size(b)`, `first(b)`, and aggregates over a column: `sum(b.amount)`. */
  #overEvents(name: string, argument: ASTNode): Meaning | undefined {
    if (!isAggregate(name) && name !== 'size') return undefined
    if (argument.op !== 'id' && argument.op !== '.' && argument.op !== 'rcall') return undefined
    const before = this.#builder.problems.length
    const meaning = this.#builder.meaning(argument)
    if (meaning.kind === 'events') {
      const { events, schemas } = meaning
      if (name === 'count' || name === 'size') {
        return valueMeaning({ kind: 'taken_count', events }, Type.number)
      }
      if (name === 'first' || name === 'last') {
        const index: Expression = { kind: 'literal', value: name === 'first' ? 0 : -1 }
        const event = { kind: 'at', events, index, step: events.step } as const
        return { kind: 'event', event, schemas }
      }
    }
    if (meaning.kind === 'value' && meaning.expression.kind === 'taken_field' && name !== 'size') {
      const { event, path } = meaning.expression
      if (event.kind === 'last') return this.#columnAggregate(name, event.step, path)
    }
    // The ordinary way builds it again, and reports its problems.
    this.#builder.problems.length = before
    return undefined
  }

  /** The first's and the last's value is that of the event; other aggregates leave gaps out. */
  #columnAggregate(name: string, step: number, path: readonly string[]): Meaning {
    const events = { kind: 'step', step } as const
    if (name === 'last') {
      return valueMeaning({ kind: 'taken_field', event: { kind: 'last', step }, path }, Type.any)
    }
    if (name === 'first') {
      const index: Expression = { kind: 'literal', value: 0 }
      const event = { kind: 'at', events, index, step } as const
      return valueMeaning({ kind: 'taken_field', event, path }, Type.any)
    }
    const column: Expression = { kind: 'column', events, path }
    const result = functionNamed(name)?.result ?? Type.any
    return valueMeaning({ kind: 'call', function: name, arguments: [column] }, result)
  }

  #windowAggregate(node: ASTNode, name: string, argumentNode: ASTNode | undefined): Meaning {
    const aggregates = this.#builder.windowAggregates
    if (aggregates === null || !isAggregate(name)) return this.#builder.fail(node, 'no window here')
    if (argumentNode === undefined && name !== 'count') {
      return this.#builder.fail(node, `${name}() takes one argument`)
    }
    const argument = argumentNode === undefined ? null : this.#builder.windowArgument(argumentNode)
    const key = `${name}(${argument === null ? '' : expressionKey(argument)})`
    if (!aggregates.some((aggregate) => aggregate.name === key)) {
      aggregates.push({ aggregate: name, argument, name: key })
    }
    return valueMeaning({ kind: 'name', name: key }, functionNamed(name)?.result ?? Type.any)
  }

  /** The arguments of `elapsed`: times, or events that stand for theirs. */
  #times(nodes: readonly ASTNode[]): Expression[] {
    return nodes.map((node) => this.#time(node, this.#builder.meaning(node)))
  }

  #time(node: ASTNode, meaning: Meaning): Expression {
    if (meaning.kind === 'event') return { kind: 'taken_time', event: meaning.event }
    if (meaning.kind === 'events') {
      const { events } = meaning
      if (events.kind === 'step') {
        return { kind: 'taken_time', event: { kind: 'last', step: events.step } }
      }
      const index: Expression = { kind: 'literal', value: -1 }
      return { kind: 'taken_time', event: { kind: 'at', events, index, step: events.step } }
    }
    const { expression, type } = this.#builder.asValue(node, meaning)
    if (expression.kind === 'field' && expression.path.length === 0) return { kind: 'event_time' }
    if ((type & Type.timestamp) === 0) {
      this.#builder.report(node, `must be an event or a time, not a ${describeType(type)}`)
    }
    return expression
  }

  #call(
    node: ASTNode,
    name: string,
    definition: FunctionDefinition,
    nodes: readonly ASTNode[],
    built?: readonly Expression[],
  ): Meaning {
    const { parameters, required = parameters.length, variadic = false } = definition
    const problemsBefore = this.#builder.problems.length
    if (nodes.length < required || (nodes.length > parameters.length && !variadic)) {
      const count =
        required === parameters.length ? `${required}` : `${required} to ${parameters.length}`
      return this.#builder.fail(node, `${name} takes ${count} argument(s)`)
    }
    const args =
      built ??
      nodes.map((argument, index) => {
        const { expression, type } = this.#builder.value(argument)
        const parameter = parameters[index] ?? parameters.at(-1) ?? Type.any
        if ((type & parameter) === 0) {
          const wanted = describeType(parameter)
          this.#builder.report(argument, `must be a ${wanted}, and is a ${describeType(type)}`)
        }
        return expression
      })
    if (this.#builder.problems.length > problemsBefore) {
      return valueMeaning(nullLiteral, definition.result)
    }
    return this.#fold(node, name, args) ?? call(name, args, definition)
  }

  /** What can be known at load: constant patterns, times, zones. */
  #fold(node: ASTNode, name: string, args: readonly Expression[]): Meaning | undefined {
    const [first, second] = args
    if (name === 'matches' && first !== undefined && isText(second)) {
      const pattern = parsePattern(second.value)
      if ('problem' in pattern) return this.#builder.fail(node, pattern.problem)
      return valueMeaning({ kind: 'matches', operand: first, test: pattern.test }, Type.boolean)
    }
    if ((name === 'duration' || name === 'timestamp') && first?.kind === 'literal') {
      const value = functionNamed(name)?.evaluate(first.value)
      if (value instanceof Duration) return valueMeaning({ kind: 'literal', value }, Type.duration)
      if (value instanceof Timestamp)
        return valueMeaning({ kind: 'literal', value }, Type.timestamp)
      const example = name === 'duration' ? '"1h30m"' : '"2026-01-31T00:00:00Z"'
      return this.#builder.fail(node, `is no ${name}; one is written like ${example}`)
    }
    if (name.startsWith('get') && isText(second) && !isTimeZone(second.value)) {
      return this.#builder.fail(node, `there is no time zone ${JSON.stringify(second.value)}`)
    }
    return undefined
  }

  #macro(node: ASTNode, macro: MacroName, receiver: ASTNode, nodes: readonly ASTNode[]): Meaning {
    const [variableNode, ...bodies] = nodes
    if (
      variableNode?.op !== 'id' ||
      bodies.length < 1 ||
      bodies.length > (macro === 'map' ? 2 : 1)
    ) {
      return this.#builder.fail(node, `${macro} is written x.${macro}(e, ...)`)
    }
    if (this.#builder.macroDepth >= macroDepthMax) {
      return this.#builder.fail(node, `macros are nested deeper than ${macroDepthMax}`)
    }
    const meaning = this.#builder.meaning(receiver)
    if (meaning.kind === 'events') {
      const source = { kind: 'events', events: meaning.events } as const
      return this.#macroOver(macro, source, variableNode.args, bodies, meaning.schemas)
    }
    const { expression, type } = this.#builder.asValue(receiver, meaning)
    if ((type & (Type.list | Type.map)) === 0) {
      return this.#builder.fail(receiver, `${macro} goes over a list or a map`)
    }
    return this.#macroOver(
      macro,
      { kind: 'value', value: expression },
      variableNode.args,
      bodies,
      [],
    )
  }

  #macroOver(
    macro: MacroName,
    source: MacroSource,
    name: string,
    bodies: readonly ASTNode[],
    schemas: Parameters<ExpressionBuilder['withVariable']>[2],
  ): Meaning {
    const builder = this.#builder
    return builder.withVariable(name, source, schemas, (variable) => {
      const [body] = bodies
      const last = bodies.at(-1)
      if (body === undefined || last === undefined) return valueMeaning(nullLiteral, Type.any)
      const transform = macro === 'map' ? builder.value(last).expression : null
      const condition = macro !== 'map' || bodies.length === 2 ? builder.boolean(body) : null
      if (macro === 'filter' && source.kind === 'events' && condition !== null) {
        const { events } = source
        const filtered = { kind: 'filter', events, variable, condition, step: events.step } as const
        return { kind: 'events', events: filtered, schemas }
      }
      const type = macro === 'map' || macro === 'filter' ? Type.list : Type.boolean
      return valueMeaning({ kind: 'macro', macro, source, variable, condition, transform }, type)
    })
  }
}

const nullLiteral: Expression = { kind: 'literal', value: null }

function call(name: string, args: readonly Expression[], definition: FunctionDefinition): Meaning {
  return valueMeaning({ kind: 'call', function: name, arguments: args }, definition.result)
}

function isText(
  expression: Expression | undefined,
): expression is { readonly kind: 'literal'; readonly value: string } {
  return expression?.kind === 'literal' && typeof expression.value === 'string'
}
