import { ColumnPredicates } from '../expression/column-predicates.ts'
import { AlertOperator, type AlertPlan } from '../operator/alert-operator.ts'
import { CepOperator } from '../operator/cep-operator.ts'
import { KeyedExchange, KeyedInput } from '../operator/keyed-input.ts'
import type { CepPattern } from '../operator/running-pattern.ts'
import { PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { EventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Event } from '../stream/event.ts'
import { KeyEncoder } from '../stream/key.ts'
import type { CheckedRule } from './expression-check.ts'
import type { ExpressionErrors, PlaceErrors } from './expression-errors.ts'
import type { FieldSlots } from './field-slots.ts'
import { layoutOf, type OperatorLayout } from './operator-layout.ts'
import type { Rule } from './rule.ts'
import { RuleGroup } from './rule-compiler.ts'
import type { RulePipelineOptions } from './rule-pipeline.ts'

/** What becomes of the rules of an operator, and of their state, when they are replaced. */
export interface RuleReplacement {
  /** Begin anew. */
  readonly added: readonly Rule[]
  /** Take no new first events, and end with what they have open. */
  readonly retired: readonly Rule[]
}

/** Rules that share key and streams, with the operator that runs them. */
export class RuleOperator {
  /** From key and streams: the same in each run. */
  readonly id: string
  readonly operator: CepOperator
  readonly exchange: KeyedExchange
  readonly alerts: AlertOperator
  /** By stream. */
  readonly inputs: ReadonlyMap<string, KeyedInput>
  readonly #group: RuleGroup
  readonly #rules: RunningRule[] = []
  readonly #fieldColumns = new Map<string, number[]>()
  readonly #columns: ReadonlyMap<string, FieldSlots>
  /** `null`: not known since the rules changed. */
  #layout: OperatorLayout | null = null

  /** @param columns the fields that are decoded, by stream: they become more with the rules */
  constructor(
    id: string,
    rules: readonly CheckedRule[],
    columns: ReadonlyMap<string, FieldSlots>,
    options: RulePipelineOptions,
    parts: { readonly errors: ExpressionErrors; readonly eventText: EventText },
  ) {
    this.id = id
    this.#columns = columns
    this.#group = new RuleGroup({ ...options, errors: parts.errors })
    const group = this.#group
    group.add(rules, [...rules.keys()])
    this.alerts = new AlertOperator(
      group.plans,
      options.alerts,
      options.clock,
      parts.eventText,
      group.lateFields,
    )
    this.operator =
      options.createOperator?.(group, this.alerts) ??
      new CepOperator(
        group.patterns,
        options.createBackend?.() ?? new PackedKeyedStateBackend(),
        this.alerts,
        options.timeLimits,
      )
    this.#rules.push(...rules.map(runningRule))
    this.exchange = new KeyedExchange(this.operator, options.tiesByArrival)
    const { rule } = rules[0] as CheckedRule
    this.inputs = new Map(
      rule.from.map((stream) => [stream, this.#inputOf(stream, rule, options)] as const),
    )
  }

  /** What the numbers in its state stand for. */
  get layout(): OperatorLayout {
    this.#layout ??= this.#layoutNow()
    return this.#layout
  }

  #layoutNow(): OperatorLayout {
    const layout = layoutOf(
      this.#rules.map(({ checked }) => checked),
      this.#group,
    )
    const rules = layout.rules.map((rule, pattern) =>
      // What has ended is no other rule's state, should it come back.
      isOver(this.#rules[pattern] as RunningRule) ? { ...rule, fingerprint: '' } : rule,
    )
    return { ...layout, rules }
  }

  /** Of all rules that run, or end. */
  get fingerprints(): readonly string[] {
    return this.#rules.map(({ checked }) => checked.rule.fingerprint)
  }

  /** Predicates that each pattern asks for. */
  get patternPredicates(): readonly (readonly number[])[] {
    return this.#group.patterns.map(({ predicates, filter, cancelledBy }) =>
      [...predicates, filter, cancelledBy].filter((predicate) => predicate !== null),
    )
  }

  /**
   * Goes on with other rules. A rule whose fingerprint has been there keeps its state, also one that
   * was retired; the alerts of all are as their rules say now.
   * @param startsAfter event time, epoch ms, up to which new rules see nothing
   */
  replaceRules(rules: readonly CheckedRule[], startsAfter: number): RuleReplacement {
    this.#layout = null
    this.#sweep()
    const patterns = patternsOf(this.#rules, rules)
    const retired: Rule[] = []
    this.#rules.forEach((running, pattern) => {
      const rule = patterns.get(pattern)
      if (rule !== undefined) this.#keep(pattern, running, rule, startsAfter)
      else if (running.overAfter === null) {
        running.overAfter = this.operator.retirePattern(pattern)
        retired.push(running.checked.rule)
      }
    })
    const kept = new Set(patterns.values())
    const added = rules.filter((rule) => !kept.has(rule))
    this.#add(added, startsAfter)
    for (const input of this.inputs.values()) input.readNeeds()
    return { added: added.map(({ rule }) => rule), retired }
  }

  /** Finds the retired rules of which no key has anything any more. */
  #sweep(): void {
    const { watermark } = this.operator.sorter
    this.#rules.forEach((running, pattern) => {
      if (running.isOver || running.overAfter === null || watermark <= running.overAfter) return
      running.isOver = true
      this.#group.needNothing(pattern)
    })
  }

  #keep(pattern: number, running: RunningRule, checked: CheckedRule, startsAfter: number): void {
    if (running.overAfter !== null) this.operator.revivePattern(pattern, startsAfter)
    running.overAfter = null
    if (running.checked === checked) return
    const keepsSilences = dedupeOf(running.checked) === dedupeOf(checked)
    running.checked = checked
    this.alerts.setPlan(pattern, this.#group.recompilePlan(pattern, checked), keepsSilences)
    this.operator.wantTimeouts(pattern, checked.rule.onTimeout !== null)
  }

  #add(rules: readonly CheckedRule[], startsAfter: number): void {
    if (rules.length === 0) return
    const group = this.#group
    const predicatesBefore = group.predicates.expressions.length
    const indexes = this.#freeIndexes(rules.length)
    group.add(rules, indexes)
    for (const [at, index] of indexes.entries()) {
      this.operator.setPattern(index, group.patterns[index] as CepPattern, startsAfter)
      this.alerts.setPlan(index, group.plans[index] as AlertPlan, false)
      this.#rules[index] = runningRule(rules[at] as CheckedRule)
    }
    const predicates = group.predicates.expressions.slice(predicatesBefore)
    for (const [stream, input] of this.inputs) {
      this.#addFieldColumns(stream)
      input.addPredicates(predicates)
    }
  }

  /** Those of rules that are over, then further ones. */
  #freeIndexes(count: number): number[] {
    const free = this.#rules.flatMap(({ isOver }, index) => (isOver ? [index] : [])).slice(0, count)
    const next = this.#rules.length
    return [...free, ...Array.from({ length: count - free.length }, (_, at) => next + at)]
  }

  #inputOf(stream: string, rule: Rule, options: RulePipelineOptions): KeyedInput {
    const columns = this.#columns.get(stream) as FieldSlots
    const group = this.#group
    const fieldColumns: number[] = []
    this.#fieldColumns.set(stream, fieldColumns)
    const predicates = new ColumnPredicates(
      group.predicates.expressions,
      columns.indexOf,
      options.environment,
    )
    const keyColumns = rule.by.map(({ paths }) => columns.indexOf(paths.get(stream) as FieldPath))
    this.#addFieldColumns(stream)
    return new KeyedInput(
      this.exchange,
      {
        predicates,
        needs: options.createOperator === undefined ? group.needs : everyEvent,
        keyEncoder: new KeyEncoder(keyColumns),
        keyNames: rule.by.map(({ name }) => name),
        fieldColumns,
        onPredicateErrors: (predicate, count, first) =>
          noteErrors(group.predicates.users[predicate] ?? [], count, first),
      },
      options.sideOutput,
    )
  }

  #addFieldColumns(stream: string): void {
    const columns = this.#columns.get(stream) as FieldSlots
    const fieldColumns = this.#fieldColumns.get(stream) as number[]
    const { carriedFields } = this.#group
    for (const path of carriedFields.slice(fieldColumns.length)) {
      fieldColumns.push(columns.indexOf(path))
    }
  }
}

interface RunningRule {
  checked: CheckedRule
  /** Event time, epoch ms, after which no key has anything of it; `null`: it is not retired. */
  overAfter: number | null
  /** Whether its index may be given to another rule. */
  isOver: boolean
}

/** Whether its state, as far as there is some, is to be forgotten. */
function isOver({ isOver, overAfter }: RunningRule): boolean {
  return isOver || overAfter === Infinity
}

function runningRule(checked: CheckedRule): RunningRule {
  return { checked, overAfter: null, isOver: false }
}

const everyEvent = [{ filter: null, anyOf: null }]

/** By pattern: the rule that goes on there, found by fingerprint; of several by their ids first. */
function patternsOf(
  running: readonly RunningRule[],
  rules: readonly CheckedRule[],
): ReadonlyMap<number, CheckedRule> {
  const free = new Map<string, CheckedRule[]>()
  for (const checked of rules) {
    const { fingerprint } = checked.rule
    const same = free.get(fingerprint)
    if (same === undefined) free.set(fingerprint, [checked])
    else same.push(checked)
  }
  const patterns = new Map<number, CheckedRule>()
  const find = (retired: boolean, byId: boolean) => {
    for (const [pattern, rule] of running.entries()) {
      if (patterns.has(pattern) || isOver(rule)) continue
      const { checked, overAfter } = rule
      if ((overAfter !== null) !== retired) continue
      const same = free.get(checked.rule.fingerprint) ?? []
      const at = same.findIndex(({ rule: { id } }) => !byId || id === checked.rule.id)
      if (at !== -1) patterns.set(pattern, same.splice(at, 1)[0] as CheckedRule)
    }
  }
  for (const retired of [false, true]) {
    find(retired, true)
    find(retired, false)
  }
  return patterns
}

/** What keeps alerts of a rule back means the same as long as this is the same. */
function dedupeOf({ rule }: CheckedRule): string {
  const blocks = [rule.alert, rule.onTimeout]
  return JSON.stringify(blocks.map((block) => block?.dedupe?.by.map(({ text }) => text) ?? null))
}

/** Errors of a predicate count once for each rule that uses it, in whatever places. */
function noteErrors(users: readonly PlaceErrors[], count: number, first: Event): void {
  const noted = new Set<string>()
  for (const place of users) {
    if (!noted.has(place.rule) && place.noteUnary(count, first)) noted.add(place.rule)
  }
}
