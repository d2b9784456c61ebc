import type { DecodePlan, Decoder } from '../decode/decoder.ts'
import type { EventCheck } from '../expression/event-schema.ts'
import type { ExpressionEnvironment } from '../expression/expression-environment.ts'
import type { MetricGroup } from '../metrics.ts'
import type { AlertOutput } from '../operator/alert-operator.ts'
import type { CepOperator, TimeLimitMode } from '../operator/cep-operator.ts'
import type { CepOutput } from '../operator/cep-output.ts'
import type { SideOutput } from '../operator/side-output.ts'
import { SourceOperator } from '../operator/source-operator.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { type EventText, plainEventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { type Redaction, redactingEventText } from '../stream/redaction.ts'
import type { Clock } from '../time/clock.ts'
import type { TimeUnit } from '../time/event-timestamp.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { CheckedRule } from './expression-check.ts'
import { type ExpressionErrorReport, ExpressionErrors } from './expression-errors.ts'
import { FieldSlots } from './field-slots.ts'
import type { Rule } from './rule.ts'
import type { RuleGroup } from './rule-compiler.ts'
import { RuleOperator, type RuleReplacement } from './rule-operator.ts'

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
  /** Makes the keyed state of an operator; default: on the heap. */
  readonly createBackend?: () => KeyedStateBackend
  /**
   * Makes the operator of a group in place of a plain CepOperator. It is offered every event that
   * has a key, whether a pattern needs it or not: for explaining.
   */
  readonly createOperator?: (group: RuleGroup, output: CepOutput) => CepOperator
  /** Whether a skip target that a match left out is an error; default: nothing is skipped. */
  readonly throwOnMiss?: boolean
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
  return new RulePipeline(rules, options)
}

/** The operators of a rule set, ready to be driven: one source operator a stream. */
export class RulePipeline {
  readonly sources = new Map<string, SourceOperator>()
  readonly operators: RuleOperator[] = []
  readonly #options: RulePipelineOptions
  readonly #eventText: EventText
  readonly #redact = new Map<string, Redaction>()
  #shownText: EventText = plainEventText
  readonly #errors: ExpressionErrors
  /** The fields that are decoded, by stream; the time field is the first one. */
  readonly #columns = new Map<string, FieldSlots>()

  constructor(rules: readonly CheckedRule[], options: RulePipelineOptions) {
    this.#options = options
    this.#addRedactions(rules)
    this.#eventText = (event) => this.#shownText(event)
    this.#errors = new ExpressionErrors(options.metrics, options.onExpressionError)
    for (const [stream, time] of options.streams) {
      const columns = new FieldSlots()
      columns.indexOf(time.field)
      this.#columns.set(stream, columns)
    }
    for (const [id, group] of groupRules(rules)) this.operators.push(this.#operatorOf(id, group))
    for (const [stream, time] of options.streams) {
      this.sources.set(stream, this.#sourceOf(stream, time))
    }
  }

  /** Keys with something open, over all operators. */
  openKeys(): number {
    return this.operators.reduce((sum, { operator }) => sum + operator.openKeys, 0)
  }

  /** Of all rules that run, or end. */
  get fingerprints(): string[] {
    return this.operators.flatMap(({ layout }) =>
      layout.rules.map(({ fingerprint }) => fingerprint),
    )
  }

  /** Conditions that had no value for some events. */
  expressionErrors(): ExpressionErrorReport[] {
    return this.#errors.reports
  }

  /** What the sorters of all operators hold, roughly, bytes. */
  bufferedBytes(): number {
    return this.operators.reduce((sum, { operator }) => sum + operator.sorter.bytes, 0)
  }

  /** Waits for the keys on disk that the operators need, until they have done what is to do. */
  async settle(): Promise<void> {
    for (const { operator } of this.operators) {
      for (let wait = operator.step(); wait !== null; wait = operator.step()) await wait
    }
  }

  /**
   * Goes on with other rules, between two batches. State belongs to a rule's fingerprint: where that
   * is there as before the rule goes on, where not it begins anew with events after all that have
   * been read, so that it is the same which of them still wait. A rule that is gone takes no new
   * first events, and ends with what it has open; without a time limit at once.
   */
  replaceRules(rules: readonly CheckedRule[]): RuleReplacement {
    this.#addRedactions(rules)
    const groups = groupRules(rules)
    const added: Rule[] = []
    const retired: Rule[] = []
    for (const operator of this.operators) {
      const startsAfter = this.#greatestTimestamp([...operator.inputs.keys()])
      const replacement = operator.replaceRules(groups.get(operator.id) ?? [], startsAfter)
      groups.delete(operator.id)
      added.push(...replacement.added)
      retired.push(...replacement.retired)
    }
    for (const [id, group] of groups) {
      const operator = this.#operatorOf(id, group)
      this.operators.push(operator)
      const startsAfter = this.#greatestTimestamp([...operator.inputs.keys()])
      operator.operator.startAfter(startsAfter)
      for (const [stream, input] of operator.inputs) this.sources.get(stream)?.addReceiver(input)
      added.push(...group.map(({ rule }) => rule))
    }
    if (added.length > 0) {
      for (const [stream, source] of this.sources) source.replaceDecoder(this.#decoderOf(stream))
    }
    return { added, retired }
  }

  /** What a stream redacts stays hidden, also in what was taken for rules that are gone. */
  #addRedactions(rules: readonly CheckedRule[]): void {
    for (const { redact } of rules) {
      for (const [stream, redaction] of redact) this.#redact.set(stream, redaction)
    }
    this.#shownText = redactingEventText(this.#redact)
  }

  #operatorOf(id: string, rules: readonly CheckedRule[]): RuleOperator {
    const parts = { errors: this.#errors, eventText: this.#eventText }
    return new RuleOperator(id, rules, this.#columns, this.#options, parts)
  }

  #sourceOf(stream: string, time: StreamTime): SourceOperator {
    const columns = this.#columns.get(stream) as FieldSlots
    const { sideOutput, from = -Infinity, to = Infinity } = this.#options
    return new SourceOperator(
      {
        decoder: this.#decoderOf(stream),
        timeColumn: columns.indexOf(time.field),
        timeField: time.field.join('.'),
        timeUnit: time.unit,
        watermarks: time.watermarks,
        ...(time.check === undefined ? {} : { check: time.check }),
        from,
        to,
      },
      this.operators.flatMap(({ inputs }) => inputs.get(stream) ?? []),
      sideOutput,
    )
  }

  #decoderOf(stream: string): Decoder {
    const { paths } = this.#columns.get(stream) as FieldSlots
    return this.#options.createDecoder({ fields: [...paths] })
  }

  #greatestTimestamp(streams: readonly string[]): number {
    let greatest = -Infinity
    for (const stream of streams) {
      greatest = Math.max(greatest, this.sources.get(stream)?.greatestTimestamp ?? -Infinity)
    }
    return greatest
  }
}

/** Rules that share key and streams, by their operator's id; what is disabled has none. */
function groupRules(rules: readonly CheckedRule[]): Map<string, CheckedRule[]> {
  const groups = new Map<string, CheckedRule[]>()
  for (const checked of rules) {
    const { rule } = checked
    if (rule.mode === 'disabled') continue
    const key = groupKey(rule)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [checked])
    else group.push(checked)
  }
  return groups
}

function groupKey({ from, by }: Rule): string {
  return JSON.stringify([[...from].sort(), by.map(({ paths }) => [...paths].sort(byName))])
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}
