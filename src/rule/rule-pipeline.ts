import type { DecodePlan, Decoder } from '../decode/decoder.ts'
import { compileColumnPredicates } from '../expression/column-predicates.ts'
import type { EventCheck } from '../expression/event-schema.ts'
import type { ExpressionEnvironment } from '../expression/expression-environment.ts'
import type { MetricGroup } from '../metrics.ts'
import { AlertOperator, type AlertOutput } from '../operator/alert-operator.ts'
import {
  CepOperator,
  type CepOutput,
  type CepPattern,
  type TimeLimitMode,
} from '../operator/cep-operator.ts'
import { KeyedExchange, KeyedInput } from '../operator/keyed-input.ts'
import type { SideOutput } from '../operator/side-output.ts'
import { SourceOperator } from '../operator/source-operator.ts'
import { HeapKeyedStateBackend } from '../state/heap-keyed-state-backend.ts'
import type { EventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Event } from '../stream/event.ts'
import { KeyEncoder } from '../stream/key.ts'
import type { Clock } from '../time/clock.ts'
import type { TimeUnit } from '../time/event-timestamp.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { CheckedRule } from './expression-check.ts'
import {
  type ExpressionErrorReport,
  ExpressionErrors,
  type PlaceErrors,
} from './expression-errors.ts'
import { FieldSlots } from './field-slots.ts'
import { layoutOf, type OperatorLayout } from './operator-layout.ts'
import { eventTextOf } from './redacted-reads.ts'
import type { Rule } from './rule.ts'
import { compileGroup, type RuleGroup } from './rule-compiler.ts'

/** How the events of a stream are to be read. */
export interface StreamTime {
  readonly field: FieldPath
  readonly unit: TimeUnit
  readonly watermarks: WatermarkStrategy
  /** The stream's schema; without it every JSON object with a time is an event. */
  readonly check?: EventCheck
}

export interface RulePipelineOptions {
  /** The time of each stream that the rules read. */
  readonly streams: ReadonlyMap<string, StreamTime>
  readonly createDecoder: (plan: DecodePlan) => Decoder
  readonly environment: ExpressionEnvironment
  readonly clock: Clock
  readonly alerts: AlertOutput
  readonly sideOutput: SideOutput
  /** `expression_errors.RULE` and `exception_hits.RULE.NAME`. */
  readonly metrics: MetricGroup
  /** Called once for each condition, with its first error. */
  readonly onExpressionError: (report: ExpressionErrorReport) => void
  /** Only events in [from, to) count, epoch ms; default all. */
  readonly from?: number
  readonly to?: number
  readonly timeLimits?: TimeLimitMode
  /** Whether ties of time go by arrival over all streams; default by stream and partition. */
  readonly tiesByArrival?: boolean
  /**
   * Makes the operator of a group in place of a plain CepOperator. It is offered every event that
   * has a key, whether a pattern needs it or not: for explaining.
   */
  readonly createOperator?: (group: RuleGroup, output: CepOutput) => CepOperator
  /** Whether a skip target that a match left out is an error; default: nothing is skipped. */
  readonly throwOnMiss?: boolean
}

/** A keyed operator as checkpoints know it. */
export interface KeyedPipelineOperator {
  /** From key and streams: the same in each run. */
  readonly id: string
  readonly layout: OperatorLayout
  /** Predicates that each pattern asks for. */
  readonly patternPredicates: readonly (readonly number[])[]
  readonly operator: CepOperator
  readonly exchange: KeyedExchange
  readonly alerts: AlertOperator
}

/** The operators of a rule set: one source operator a stream, ready to be driven. */
export interface RulePipeline {
  readonly sources: ReadonlyMap<string, SourceOperator>
  readonly operators: readonly KeyedPipelineOperator[]
  /** Keys with something open, over all operators. */
  openKeys(): number
  /** Conditions that had no value for some events. */
  expressionErrors(): ExpressionErrorReport[]
  /** What the sorters of all operators hold, roughly, bytes. */
  bufferedBytes(): number
}

/**
 * Compiles rules to operators: one CepOperator for each distinct key and streams (D8), one decode
 * of each stream for all rules.
 * @throws {TocsinError} RULE_PATTERN for a pattern that means nothing
 */
export function compileRules(
  rules: readonly CheckedRule[],
  options: RulePipelineOptions,
): RulePipeline {
  const groups = groupRules(rules.filter(({ rule }) => rule.mode !== 'disabled'))
  const builder = new PipelineBuilder(options, eventTextOf(rules))
  for (const group of groups) builder.addGroup(group)
  return builder.build()
}

/** Rules that share key and streams. */
function groupRules(rules: readonly CheckedRule[]): CheckedRule[][] {
  const groups = new Map<string, CheckedRule[]>()
  for (const checked of rules) {
    const { rule } = checked
    const key = groupKey(rule)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [checked])
    else group.push(checked)
  }
  return [...groups.values()]
}

function groupKey({ from, by }: Rule): string {
  return JSON.stringify([[...from].sort(), by.map(({ paths }) => [...paths].sort(byName))])
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}

class PipelineBuilder {
  readonly #options: RulePipelineOptions
  readonly #eventText: EventText
  readonly #errors: ExpressionErrors
  readonly #columns = new Map<string, FieldSlots>()
  readonly #inputs = new Map<string, KeyedInput[]>()
  readonly #operators: KeyedPipelineOperator[] = []

  constructor(options: RulePipelineOptions, eventText: EventText) {
    this.#options = options
    this.#eventText = eventText
    this.#errors = new ExpressionErrors(options.metrics, options.onExpressionError)
    for (const [stream, time] of options.streams) {
      const columns = new FieldSlots()
      columns.indexOf(time.field)
      this.#columns.set(stream, columns)
      this.#inputs.set(stream, [])
    }
  }

  addGroup(rules: readonly CheckedRule[]): void {
    const options = this.#options
    const group = compileGroup(rules, { ...options, errors: this.#errors })
    const alerts = new AlertOperator(
      group.plans,
      options.alerts,
      options.clock,
      this.#eventText,
      group.lateFields,
    )
    const operator =
      options.createOperator?.(group, alerts) ??
      new CepOperator(group.patterns, new HeapKeyedStateBackend(), alerts, options.timeLimits)
    const exchange = new KeyedExchange(operator, options.tiesByArrival)
    const { rule } = rules[0] as CheckedRule
    this.#operators.push({
      id: groupKey(rule),
      layout: layoutOf(rules, group),
      patternPredicates: group.patterns.map(predicatesOfPattern),
      operator,
      exchange,
      alerts,
    })
    for (const stream of rule.from) this.#addInput(stream, rule, group, exchange)
  }

  build(): RulePipeline {
    const sources = new Map<string, SourceOperator>()
    for (const [stream, time] of this.#options.streams) {
      sources.set(stream, this.#buildSource(stream, time))
    }
    const operators = this.#operators
    const errors = this.#errors
    return {
      sources,
      operators,
      openKeys: () => operators.reduce((sum, { operator }) => sum + operator.openKeys, 0),
      expressionErrors: () => errors.reports,
      bufferedBytes: () => operators.reduce((sum, { operator }) => sum + operator.sorter.bytes, 0),
    }
  }

  #addInput(stream: string, rule: Rule, group: RuleGroup, exchange: KeyedExchange): void {
    const columns = this.#columns.get(stream) as FieldSlots
    const { environment, sideOutput } = this.#options
    const predicates = compileColumnPredicates(
      group.predicates.expressions,
      columns.indexOf,
      environment,
    )
    const { users } = group.predicates
    const input = new KeyedInput(
      exchange,
      {
        predicates,
        needs: this.#options.createOperator === undefined ? group.needs : everyEvent,
        keyEncoder: new KeyEncoder(
          rule.by.map(({ paths }) => columns.indexOf(paths.get(stream) as FieldPath)),
        ),
        keyNames: rule.by.map(({ name }) => name),
        fieldColumns: group.carriedFields.map(columns.indexOf),
        onPredicateErrors: (predicate: number, count: number, first: Event) =>
          noteErrors(users[predicate] ?? [], count, first),
      },
      sideOutput,
    )
    this.#inputs.get(stream)?.push(input)
  }

  #buildSource(stream: string, time: StreamTime): SourceOperator {
    const columns = this.#columns.get(stream) as FieldSlots
    const { createDecoder, sideOutput, from = -Infinity, to = Infinity } = this.#options
    return new SourceOperator(
      {
        decoder: createDecoder({ fields: columns.paths }),
        timeColumn: columns.indexOf(time.field),
        timeField: time.field.join('.'),
        timeUnit: time.unit,
        watermarks: time.watermarks,
        ...(time.check === undefined ? {} : { check: time.check }),
        from,
        to,
      },
      this.#inputs.get(stream) ?? [],
      sideOutput,
    )
  }
}

function predicatesOfPattern({ predicates, filter, cancelledBy }: CepPattern): number[] {
  return [...predicates, filter, cancelledBy].filter((predicate) => predicate !== null)
}

const everyEvent = [{ filter: null, anyOf: null }]

/** Errors of a predicate count once for each rule that uses it, in whatever places. */
function noteErrors(users: readonly PlaceErrors[], count: number, first: Event): void {
  const noted = new Set<string>()
  for (const place of users) {
    if (!noted.has(place.rule) && place.noteUnary(count, first)) noted.add(place.rule)
  }
}
