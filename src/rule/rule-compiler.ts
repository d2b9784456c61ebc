import { assert } from '../errors.ts'
import { compileEventExpression } from '../expression/event-expression.ts'
import type { Expression } from '../expression/expression.ts'
import type { ExpressionEnvironment } from '../expression/expression-environment.ts'
import { formatValue, jsonOf } from '../expression/template.ts'
import type { MetricGroup } from '../metrics.ts'
import { MatchStore } from '../nfa/match-store.ts'
import { NFA } from '../nfa/nfa.ts'
import { compileNFA } from '../nfa/nfa-compiler.ts'
import type { AlertBlockPlan, AlertPlan, MatchExpression } from '../operator/alert-operator.ts'
import type { EventNeed } from '../operator/keyed-input.ts'
import { LateFields, lateSlot } from '../operator/late-fields.ts'
import type { CepPattern } from '../operator/running-pattern.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { TakenEvent } from '../stream/event.ts'
import { type CheckedRule, expressionOf } from './expression-check.ts'
import type { ConditionPlace, ExpressionErrors, PlaceErrors } from './expression-errors.ts'
import { FieldSlots, LateSlots } from './field-slots.ts'
import {
  compilePattern,
  compileTest,
  eventStepName,
  type PatternContext,
  predicatesOf,
} from './pattern-compiler.ts'
import { PredicateRegistry } from './predicate-registry.ts'
import { redactedKeysOf } from './redacted-reads.ts'
import {
  type AlertBlock,
  type ExpressionText,
  type Rule,
  type SchemaText,
  stepItemsOf,
  type TemplateText,
} from './rule.ts'

export interface CompileOptions {
  readonly environment: ExpressionEnvironment
  readonly metrics: MetricGroup
  readonly errors: ExpressionErrors
  readonly throwOnMiss?: boolean
}

/**
 * Rules that share an operator, compiled: index i is the same rule everywhere. Rules may be added:
 * what has an index keeps it, so that what was made of events before stays right.
 */
export class RuleGroup {
  readonly patterns: CepPattern[] = []
  readonly plans: AlertPlan[] = []
  readonly needs: EventNeed[] = []
  readonly predicates = new PredicateRegistry()
  /** Fields that only alerts read. */
  readonly lateFields: LateFields
  readonly #options: CompileOptions
  readonly #fields = new FieldSlots()
  readonly #late = new LateSlots()
  readonly #store = new MatchStore()
  /** By rule: how many fields its events carry at least. */
  readonly #carried: number[] = []

  constructor(options: CompileOptions) {
    this.#options = options
    this.lateFields = new LateFields(this.#late.fields)
  }

  /** Fields that events carry from arrival on, by slot. */
  get carriedFields(): readonly FieldPath[] {
    return this.#fields.paths
  }

  /**
   * @param indexes one a rule: behind those that there are, or of a rule that is over
   * @throws {TocsinError} RULE_PATTERN for a pattern that means nothing
   */
  add(rules: readonly CheckedRule[], indexes: readonly number[]): void {
    const compilers = rules.map((checked) => this.#compilerOf(checked))
    const compiled = compilers.map((compiler) => compiler.compilePattern())
    // Alerts read what conditions of all of them carry.
    const carried = this.#fields.paths.length
    const plans = compilers.map((compiler) => compiler.compilePlan(this.#slots(carried)))
    for (const [at, { pattern, need }] of compiled.entries()) {
      const index = indexes[at] as number
      this.patterns[index] = pattern
      this.needs[index] = need
      this.plans[index] = plans[at] as AlertPlan
      this.#carried[index] = carried
    }
  }

  /** No event is needed for a rule that is over. */
  needNothing(index: number): void {
    this.needs[index] = { filter: null, anyOf: [] }
  }

  /** The alerts of a rule whose pattern has not changed. */
  recompilePlan(index: number, rule: CheckedRule): AlertPlan {
    const slots = this.#slots(this.#carried[index] as number)
    const plan = this.#compilerOf(rule).compilePlan(slots)
    this.plans[index] = plan
    return plan
  }

  #compilerOf(checked: CheckedRule): RuleCompiler {
    return new RuleCompiler(checked, this.predicates, this.#fields, this.#store, this.#options)
  }

  /** What conditions read is not redacted: what is shown has slots of its own. */
  #slots(carried: number): AlertSlots {
    return {
      read: (path) => {
        const slot = this.#fields.find(path)
        return slot !== undefined && slot < carried
          ? slot
          : lateSlot(this.#late.indexOf(path, false))
      },
      show: (path) => lateSlot(this.#late.indexOf(path, true)),
    }
  }
}

/** The slots of fields in the places of an alert: where they are read only, and shown. */
interface AlertSlots {
  readonly read: (path: FieldPath) => number
  readonly show: (path: FieldPath) => number
}

/** Sequences have limits of their own; a rule of single events keeps nothing open. */
const eventOptions = { emitOrder: 'at_once', limit: 1, maxMatches: 1 } as const

class RuleCompiler {
  readonly #checked: CheckedRule
  readonly #rule: Rule
  readonly #predicates: PredicateRegistry
  #slotOf: (path: FieldPath) => number
  #shownSlotOf: (path: FieldPath) => number
  readonly #store: MatchStore
  readonly #options: CompileOptions

  constructor(
    checked: CheckedRule,
    predicates: PredicateRegistry,
    fields: FieldSlots,
    store: MatchStore,
    options: CompileOptions,
  ) {
    this.#checked = checked
    this.#rule = checked.rule
    this.#predicates = predicates
    this.#slotOf = fields.indexOf
    this.#shownSlotOf = fields.indexOf
    this.#store = store
    this.#options = options
  }

  compilePattern(): { pattern: CepPattern; need: EventNeed } {
    const rule = this.#rule
    const { detect } = rule
    const context = this.#patternContext()
    const compiled = compileNFA(compilePattern(detect, context))
    const sequence = detect.kind === 'sequence' ? detect : null
    const nfa = new NFA(compiled, sequence ?? eventOptions, this.#store)
    const errors = this.#errorsAt({ kind: 'filter', name: '', text: rule.filter })
    const filter = this.#predicates.indexOf([context.filter], errors)
    const cancelling = sequence?.cancelledBy ?? null
    const cancel = cancelling === null ? null : compileTest(cancelling, 'cancelled_by', '', context)
    const predicates = predicatesOf(compiled.pattern.items)
    const pattern = {
      nfa,
      filter,
      cancelledBy: cancel?.predicate ?? null,
      predicates,
      timeouts: this.#rule.onTimeout !== null,
    }
    const inert = compiled.states.every((state) => state.inert || !waits(state.kind))
    const concerned = cancel === null ? predicates : [...predicates, cancel.predicate as number]
    return { pattern, need: { filter, anyOf: inert ? concerned : null } }
  }

  compilePlan({ read, show }: AlertSlots): AlertPlan {
    this.#slotOf = read
    this.#shownSlotOf = this.#checked.redact.size === 0 ? read : show
    const { detect } = this.#rule
    if (detect.kind === 'event') return this.#alertPlan([eventStepName], eventOptions.limit)
    const stepNames = stepItemsOf(detect.items).map((step) => step.name)
    return this.#alertPlan(stepNames, detect.limit)
  }

  #patternContext(): PatternContext {
    return {
      rule: this.#rule,
      predicates: this.#predicates,
      filter: this.#expressionOf(this.#rule.filter),
      expressionOf: (part) => this.#expressionOf(part),
      errorsAt: (place) => this.#errorsAt(place),
      compileTest: (expression, errors) => this.#compileTest(expression, errors),
      throwOnMiss: this.#options.throwOnMiss ?? false,
    }
  }

  #expressionOf(part: ExpressionText | SchemaText | null): Expression | null {
    return part === null ? null : expressionOf(this.#checked, part)
  }

  #errorsAt(place: ConditionPlace): PlaceErrors {
    return this.#options.errors.at(this.#checked, place)
  }

  #compileTest(
    expression: Expression,
    errors: PlaceErrors | null,
  ): ReturnType<PatternContext['compileTest']> {
    const evaluate = this.#compile(expression)
    return (event, taken) => {
      const value = evaluate.evaluate(event, taken)
      if (value === undefined) errors?.noteIterative(event, taken)
      return value === true
    }
  }

  #compile(expression: Expression, slotOf = this.#slotOf) {
    return compileEventExpression(expression, slotOf, this.#options.environment)
  }

  #alertPlan(stepNames: readonly string[], limit: number): AlertPlan {
    const rule = this.#rule
    return {
      rule: rule.id,
      fingerprint: rule.fingerprint,
      version: rule.version,
      mode: rule.mode,
      tags: rule.tags,
      keyNames: rule.by.map(({ name }) => name),
      redactedKeys: new Set(redactedKeysOf(rule, this.#checked.redact).keys()),
      stepNames,
      match: this.#blockPlan(rule.alert),
      timeout: rule.onTimeout === null ? null : this.#blockPlan(rule.onTimeout),
      exceptions: rule.exceptions.map(({ name, where, expires }) => ({
        name,
        holds: this.#exceptionTest(name, where),
        expires: expires ?? Infinity,
        hits: this.#options.metrics.counter(`exception_hits.${rule.id}.${name}`),
      })),
      limit,
    }
  }

  #blockPlan(block: AlertBlock): AlertBlockPlan {
    const { dedupe, fields } = block
    return {
      severity: block.severity ?? this.#rule.severity,
      title: this.#title(block.title ?? this.#rule.title),
      fields: new Map(
        [...fields].map(([name, text]) => [name, this.#matchExpression(text, this.#shownSlotOf)]),
      ),
      dedupe:
        dedupe === null
          ? null
          : { by: dedupe.by.map((text) => this.#matchExpression(text)), forMs: dedupe.forMs },
      to: block.to,
    }
  }

  #exceptionTest(name: string, where: ExpressionText): MatchExpression {
    const compiled = this.#compile(expressionOf(this.#checked, where))
    const errors = this.#errorsAt({ kind: 'exception', name, text: where })
    return (taken, names) => {
      const value = compiled.evaluate(null, taken, names)
      if (value === undefined) errors.noteIterative(taken.event, taken)
      return value
    }
  }

  #matchExpression(part: ExpressionText, slotOf = this.#slotOf): MatchExpression {
    const compiled = this.#compile(expressionOf(this.#checked, part), slotOf)
    return (taken, names) => jsonOf(compiled.evaluate(null, taken, names))
  }

  #title({ path }: TemplateText): AlertBlockPlan['title'] {
    const template = this.#checked.templates.get(path)
    assert(template !== undefined, `the title at ${path} is parsed`)
    const compiled = template.parts.map((part) =>
      part.kind === 'text' ? part.text : this.#compile(part.expression, this.#shownSlotOf),
    )
    return (taken: TakenEvent | null, names: ReadonlyMap<string, unknown>) => {
      let title = ''
      for (const part of compiled) {
        title += typeof part === 'string' ? part : formatValue(part.evaluate(null, taken, names))
      }
      return title
    }
  }
}

/** Whether a partial match can stand in the state between events. */
function waits(kind: string): boolean {
  return kind !== 'final' && kind !== 'stop'
}
