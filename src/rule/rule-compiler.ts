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
import { firstLateSlot, LateFields } from '../operator/late-fields.ts'
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

/** Rules that share an operator, compiled: index i is the same rule everywhere. */
export interface RuleGroup {
  readonly patterns: readonly CepPattern[]
  readonly plans: readonly AlertPlan[]
  readonly needs: readonly EventNeed[]
  readonly predicates: PredicateRegistry
  /** Fields that events carry from arrival on, by slot. */
  readonly carriedFields: readonly FieldPath[]
  /** Fields that only alerts read. */
  readonly lateFields: LateFields
}

export interface CompileOptions {
  readonly environment: ExpressionEnvironment
  readonly metrics: MetricGroup
  readonly errors: ExpressionErrors
  readonly throwOnMiss?: boolean
}

/** Compiles the rules of one operator. */
export function compileGroup(rules: readonly CheckedRule[], options: CompileOptions): RuleGroup {
  const predicates = new PredicateRegistry()
  const fields = new FieldSlots()
  const store = new MatchStore()
  const compilers = rules.map(
    (checked) => new RuleCompiler(checked, predicates, fields, store, options),
  )
  // Fields that conditions read come first: those are carried, the alerts' own are filled in late.
  const compiled = compilers.map((compiler) => compiler.compilePattern())
  const carried = fields.paths.length
  const late = new LateSlots()
  const slots = {
    read: (path: FieldPath) =>
      fields.find(path) ?? firstLateSlot(carried) + late.indexOf(path, false),
    // What conditions read is not redacted: that has slots of its own.
    show: (path: FieldPath) => firstLateSlot(carried) + late.indexOf(path, true),
  }
  const plans = compilers.map((compiler) => compiler.compilePlan(slots))
  return {
    patterns: compiled.map(({ pattern }) => pattern),
    needs: compiled.map(({ need }) => need),
    plans,
    predicates,
    carriedFields: fields.paths,
    lateFields: new LateFields(carried, late.fields),
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
    return (taken: TakenEvent | null, names: ReadonlyMap<string, unknown>) =>
      compiled
        .map((part) =>
          typeof part === 'string' ? part : formatValue(part.evaluate(null, taken, names)),
        )
        .join('')
  }
}

/** Whether a partial match can stand in the state between events. */
function waits(kind: string): boolean {
  return kind !== 'final' && kind !== 'stop'
}
