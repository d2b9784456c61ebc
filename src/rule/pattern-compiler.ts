import type { Expression } from '../expression/expression.ts'
import { conjunction, splitUnary } from '../expression/expression-analysis.ts'
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip-strategy.ts'
import type { Condition, Pattern, PatternItem } from '../pattern/pattern.ts'
import { singleStep } from '../pattern/single-step.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { ConditionPlace, PlaceErrors } from './expression-errors.ts'
import type { PredicateRegistry } from './predicate-registry.ts'
import {
  type AfterMatch,
  type Detect,
  type EventTest,
  type ExpressionText,
  type Rule,
  type SchemaText,
  type SequenceItem,
  stepItemsOf,
} from './rule.ts'

/** What compiling a pattern needs from its surroundings. */
export interface PatternContext {
  readonly rule: Rule
  readonly predicates: PredicateRegistry
  /** The rule's `filter`, which every predicate of the rule implies; `null`: none. */
  readonly filter: Expression | null
  /** The checked expression of a place in the rule; `null` where there is none. */
  readonly expressionOf: (part: ExpressionText | SchemaText | null) => Expression | null
  /** Takes the errors of a condition; `null`: it is never evaluated. */
  readonly errorsAt: (place: ConditionPlace) => PlaceErrors | null
  /** Compiles what reads the partial match; CEL's error counts as false, and is counted. */
  readonly compileTest: (
    expression: Expression,
    errors: PlaceErrors | null,
  ) => (event: Event, taken: TakenEvent | null) => boolean
  /** Makes a skip target that a match left out an error; rules skip nothing then. */
  readonly throwOnMiss: boolean
}

/** The step of a rule that detects single events: its name in an alert's `steps`. */
export const eventStepName = 'event'

/** Turns what a rule detects into a pattern; its predicates go to the registry. */
export function compilePattern(detect: Detect, context: PatternContext): Pattern {
  if (detect.kind === 'event') {
    const condition = compileTest(detect.event, 'step', eventStepName, context)
    return {
      items: [singleStep(0, eventStepName, condition)],
      withinMs: null,
      afterMatch: { kind: 'no_skip' },
    }
  }
  const names = stepItemsOf(detect.items).map((step) => step.name)
  const compiler = new ItemCompiler(context)
  return {
    items: detect.items.map((item) => compiler.compile(item)),
    withinMs: detect.withinMs,
    afterMatch: afterMatchOf(detect.afterMatch, names, context.throwOnMiss),
  }
}

/** The condition of a test: its stream, `match` and `where`; `null` where every event fits. */
export function compileTest(
  test: EventTest,
  kind: ConditionPlace['kind'],
  name: string,
  context: PatternContext,
): Condition | null {
  const parts = [
    streamTest(test.from, context.rule),
    context.expressionOf(test.match),
    context.expressionOf(test.where),
  ].filter((part) => part !== null)
  return compileCondition(parts, { kind, name, text: test.where }, context)
}

class ItemCompiler {
  readonly #context: PatternContext
  #steps = 0

  constructor(context: PatternContext) {
    this.#context = context
  }

  compile(item: SequenceItem): PatternItem {
    if (item.kind === 'group') {
      const items = item.items.map((inner) => this.compile(inner))
      const { contiguity, quantifier } = item
      return { kind: 'group', items, contiguity, quantifier, until: this.#until(item) }
    }
    return {
      kind: 'step',
      index: this.#steps++,
      name: item.name,
      negated: item.negated,
      contiguity: item.contiguity,
      condition: compileTest(item.test, item.negated ? 'absent' : 'step', item.name, this.#context),
      quantifier: item.quantifier,
      until: this.#until(item),
      withinMs: item.withinMs,
    }
  }

  #until({ until: text, name }: SequenceItem): Condition | null {
    const expression = this.#context.expressionOf(text)
    if (expression === null) return null
    return compileCondition([expression], { kind: 'until', name, text }, this.#context)
  }
}

function streamTest(from: string | null, rule: Rule): Expression | null {
  if (from === null || rule.from.length === 1) return null
  const left: Expression = { kind: 'stream' }
  return { kind: 'compare', operator: '==', left, right: { kind: 'literal', value: from } }
}

/** Unary parts are evaluated over the batch (and imply the filter), the rest for each match. */
function compileCondition(
  parts: readonly Expression[],
  place: ConditionPlace,
  { predicates, filter, errorsAt, compileTest }: PatternContext,
): Condition | null {
  if (parts.length === 0 && filter === null) return null
  const { unary, iterative } =
    parts.length === 0 ? { unary: null, iterative: null } : splitUnary(conjunction(parts))
  const errors = errorsAt(place)
  const predicate = predicates.indexOf([filter, unary], errors)
  if (iterative !== null) {
    return { kind: 'iterative', predicate, test: compileTest(iterative, errors) }
  }
  return predicate === null ? null : { kind: 'unary', predicate }
}

function afterMatchOf(
  afterMatch: AfterMatch,
  names: readonly string[],
  throwOnMiss: boolean,
): AfterMatchSkipStrategy {
  switch (afterMatch.kind) {
    case 'skip_to_first':
    case 'skip_to_last':
      return { kind: afterMatch.kind, step: names.indexOf(afterMatch.step), throwOnMiss }
    case 'no_skip':
    case 'skip_to_next':
    case 'skip_past_last':
      return { kind: afterMatch.kind }
  }
}

/** All predicates that a pattern's conditions ask for. */
export function predicatesOf(items: readonly PatternItem[]): number[] {
  const found = new Set<number>()
  const add = (condition: Condition | null) => {
    if (condition !== null && condition.predicate !== null) found.add(condition.predicate)
  }
  for (const item of items) {
    add(item.until)
    if (item.kind === 'step') add(item.condition)
    else for (const predicate of predicatesOf(item.items)) found.add(predicate)
  }
  return [...found]
}
