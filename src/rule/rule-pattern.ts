import type { Condition, Pattern, PatternItem } from '../pattern/pattern.ts'
import { type CheckedRule, expressionOf } from './expression-check.ts'
import { compilePattern, compileTest, eventStepName } from './pattern-compiler.ts'
import { PredicateRegistry } from './predicate-registry.ts'
import type { EventTest, SequenceItem } from './rule.ts'
import {
  conditionOfFilter,
  conditionOfTest,
  conditionOfUntil,
  type RuleCondition,
} from './rule-condition.ts'

/** A place of a rule that asks something of events. */
export interface RulePlace {
  readonly kind: 'filter' | 'step' | 'absent' | 'until' | 'cancelled_by'
  /** Of the step or group; empty for the whole rule's. */
  readonly name: string
  /** `null`: every event fits. */
  readonly condition: RuleCondition | null
  /** Index of the predicate of the event alone; `null`: there is none. */
  readonly predicate: number | null
}

/** A rule's pattern with the source of each condition in it, for explaining: nothing can run it. */
export interface RulePattern {
  readonly pattern: Pattern
  /** In order of writing; the filter first. */
  readonly places: readonly RulePlace[]
  /** The text of each condition of the pattern. */
  readonly texts: ReadonlyMap<Condition, string>
  /** What each step (by index) asks of an event; `null`: nothing. */
  readonly steps: readonly (RuleCondition | null)[]
}

/** Compiles a rule's pattern as the engine does, and keeps what its author wrote beside it. */
export function rulePatternOf(checked: CheckedRule): RulePattern {
  return new PatternReader(checked).read()
}

class PatternReader {
  readonly #checked: CheckedRule
  readonly #predicates = new PredicateRegistry()
  readonly #places: RulePlace[] = []
  readonly #texts = new Map<Condition, string>()
  readonly #steps: (RuleCondition | null)[] = []

  constructor(checked: CheckedRule) {
    this.#checked = checked
  }

  read(): RulePattern {
    const { detect, filter } = this.#checked.rule
    const filterExpression = filter === null ? null : expressionOf(this.#checked, filter)
    const context = {
      rule: this.#checked.rule,
      predicates: this.#predicates,
      filter: filterExpression,
      expressionOf: (part: Parameters<typeof expressionOf>[1] | null) =>
        part === null ? null : expressionOf(this.#checked, part),
      errorsAt: () => null,
      compileTest: () => () => false,
      throwOnMiss: false,
    }
    if (filterExpression !== null) {
      const predicate = this.#predicates.indexOf([filterExpression], null)
      const condition = conditionOfFilter(this.#checked)
      this.#places.push({ kind: 'filter', name: '', condition, predicate })
    }
    const pattern = compilePattern(detect, context)
    switch (detect.kind) {
      case 'event':
        this.#addTest('step', eventStepName, detect.event, conditionIn(pattern.items[0]))
        break
      case 'sequence':
        this.#addItems(detect.items, pattern.items)
        if (detect.cancelledBy !== null) {
          const compiled = compileTest(detect.cancelledBy, 'cancelled_by', '', context)
          this.#addPlace('cancelled_by', '', this.#conditionOf(detect.cancelledBy), compiled)
        }
    }
    return { pattern, places: this.#places, texts: this.#texts, steps: this.#steps }
  }

  #addItems(items: readonly SequenceItem[], compiled: readonly PatternItem[]): void {
    for (const [index, item] of items.entries()) {
      const counterpart = compiled[index] as PatternItem
      if (item.kind === 'group') {
        if (counterpart.kind === 'group') this.#addItems(item.items, counterpart.items)
      } else {
        const kind = item.negated ? 'absent' : 'step'
        this.#addTest(kind, item.name, item.test, conditionIn(counterpart))
      }
      const from = item.kind === 'step' ? item.test.from : null
      const until = conditionOfUntil(this.#checked, item.until, from)
      if (until !== null) this.#addPlace('until', item.name, until, counterpart.until)
    }
  }

  #addTest(
    kind: RulePlace['kind'],
    name: string,
    test: EventTest,
    compiled: Condition | null,
  ): void {
    const condition = this.#conditionOf(test)
    this.#steps.push(condition)
    this.#addPlace(kind, name, condition, compiled)
  }

  #conditionOf(test: EventTest): RuleCondition | null {
    return conditionOfTest(this.#checked, test)
  }

  #addPlace(
    kind: RulePlace['kind'],
    name: string,
    condition: RuleCondition | null,
    compiled: Condition | null,
  ): void {
    this.#places.push({ kind, name, condition, predicate: compiled?.predicate ?? null })
    if (compiled !== null) this.#texts.set(compiled, condition?.text ?? 'true')
  }
}

function conditionIn(item: PatternItem | undefined): Condition | null {
  return item?.kind === 'step' ? item.condition : null
}
