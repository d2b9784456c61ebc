import type { Counter, MetricGroup } from '../metrics.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import { redacted } from '../stream/redaction.ts'
import type { CheckedRule } from './expression-check.ts'
import { type FailedConjunct, NearMissJudge } from './near-miss.ts'
import { eventTextOf } from './redacted-reads.ts'
import { type ExpressionText, type Location, stepItemsOf } from './rule.ts'
import { type RulePlace, rulePatternOf } from './rule-pattern.ts'

/** A condition whose value was CEL's error, which counts as false: which, how often, where first. */
export interface ExpressionErrorReport {
  readonly rule: string
  /** `filter`, `step probe`, `until of probe`, `exception own cards`. */
  readonly place: string
  /** The part of the condition that had no value first. */
  readonly expression: string
  /** Why, as far as it is known: `amount is missing`, `n is a text`. Shows no values. */
  readonly reasons: readonly string[]
  readonly location: Location
  /** The first event. */
  readonly stream: string
  readonly partition: number
  readonly offset: number
  /** How often so far. */
  readonly count: number
}

/** A place of a rule that has a condition; its name is that of the step, group or exception. */
export interface ConditionPlace {
  readonly kind: RulePlace['kind'] | 'exception'
  /** Empty for the whole rule's. */
  readonly name: string
  /** `null`: it has no CEL. */
  readonly text: ExpressionText | null
}

/** Errors of the conditions of a job's rules. */
export class ExpressionErrors {
  readonly #metrics: MetricGroup
  readonly #onFirst: (report: ExpressionErrorReport) => void
  readonly #places: PlaceErrors[] = []

  /** @param onFirst told once for each place, with its first error */
  constructor(metrics: MetricGroup, onFirst: (report: ExpressionErrorReport) => void) {
    this.#metrics = metrics
    this.#onFirst = onFirst
  }

  at(checked: CheckedRule, place: ConditionPlace): PlaceErrors {
    const counter = this.#metrics.counter(`expression_errors.${checked.rule.id}`)
    const errors = new PlaceErrors(checked, place, counter, this.#onFirst)
    this.#places.push(errors)
    return errors
  }

  /** Of the places that had some, in order of rules and places. */
  get reports(): ExpressionErrorReport[] {
    return this.#places.flatMap((place) => place.report ?? [])
  }
}

/** Errors of one condition. */
export class PlaceErrors {
  readonly rule: string
  readonly #checked: CheckedRule
  readonly #place: ConditionPlace
  readonly #counter: Counter
  readonly #onFirst: (report: ExpressionErrorReport) => void
  #first: ExpressionErrorReport | null = null
  #count = 0

  constructor(
    checked: CheckedRule,
    place: ConditionPlace,
    counter: Counter,
    onFirst: (report: ExpressionErrorReport) => void,
  ) {
    this.rule = checked.rule.id
    this.#checked = checked
    this.#place = place
    this.#counter = counter
    this.#onFirst = onFirst
  }

  get report(): ExpressionErrorReport | null {
    return this.#first === null ? null : { ...this.#first, count: this.#count }
  }

  /**
   * Counts errors of the parts that read the event alone. They may be those of the rule's filter,
   * which every such condition implies: then they are not this place's.
   * @returns whether they are
   */
  noteUnary(count: number, event: Event): boolean {
    if (this.#first === null) {
      const [failed] = this.#failedParts(event, null, true)
      if (failed === undefined) return false
      this.#begin(event, failed)
    }
    this.#add(count)
    return true
  }

  /** Counts an error of the parts that read what was taken. */
  noteIterative(event: Event, taken: TakenEvent | null): void {
    if (this.#first === null) this.#begin(event, this.#failedParts(event, taken, false)[0])
    this.#add(1)
  }

  #add(count: number): void {
    this.#count += count
    this.#counter.increment(count)
    if (this.#first !== null && this.#count === count) this.#onFirst({ ...this.#first, count })
  }

  #begin(event: Event, failed: FailedConjunct | undefined): void {
    const { kind, name, text } = this.#place
    const { rule } = this.#checked
    const expression = failed?.text ?? text?.text ?? ''
    // Without a path there is no CEL, and so no error; the rule's first line stands for it.
    const offset = Math.max(text?.text.indexOf(expression) ?? 0, 0)
    const { stream, partition } = event.split
    this.#first = {
      rule: rule.id,
      place: placeText(kind, name),
      expression,
      reasons: failed === undefined ? [] : reasonsOf(failed),
      location: rule.locate(text?.path ?? '', offset),
      ...{ stream, partition, offset: event.offset },
      count: 0,
    }
  }

  /** The parts of the condition that had no value. */
  #failedParts(event: Event, taken: TakenEvent | null, unary: boolean): FailedConjunct[] {
    const { kind, name } = this.#place
    const condition = rulePatternOf(this.#checked).places.find(
      (place) => place.kind === kind && place.name === name,
    )?.condition
    if (condition === undefined || condition === null) return []
    const conjuncts = condition.conjuncts.filter((conjunct) => conjunct.unary === unary)
    const { rule } = this.#checked
    const steps = rule.detect.kind === 'sequence' ? stepItemsOf(rule.detect.items) : []
    const judge = new NearMissJudge(
      steps.map((step) => step.name),
      eventTextOf([this.#checked]),
    )
    const failed = judge.judgeOf({ text: condition.text, conjuncts })(event, taken)
    return failed.filter(({ value }) => value === 'error')
  }
}

function placeText(kind: ConditionPlace['kind'], name: string): string {
  if (name === '') return kind
  return kind === 'until' ? `until of ${name}` : `${kind} ${name}`
}

/** What is missing, else of which types the values are: one of them does not go with the rest. */
function reasonsOf({ reads, missing }: FailedConjunct): string[] {
  if (missing.length > 0) return missing.map((name) => `${name} is missing`)
  return Object.entries(reads).flatMap(([name, value]) =>
    value === redacted ? [] : [`${name} is ${typeName(value)}`],
  )
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'a text'
    case 'number':
      return 'a number'
    case 'boolean':
      return 'a boolean'
    default:
      return 'a map'
  }
}
