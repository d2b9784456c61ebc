import { createScannerDecoder } from '../decode/json-scanner.ts'
import { assert } from '../errors.ts'
import { MetricGroup } from '../metrics.ts'
import type { RejectionKind } from '../operator/side-output.ts'
import { VirtualRun } from '../runtime/virtual-run.ts'
import type { Alert, JsonValue } from '../stream/alert.ts'
import { decodeKey } from '../stream/key.ts'
import { redacted } from '../stream/redaction.ts'
import { ManualClock } from '../time/clock.ts'
import { type ExplainedPath, PathReader } from './explain-path.ts'
import type { CheckedRule } from './expression-check.ts'
import { redactedKeysOf } from './redacted-reads.ts'
import { compileRules, type StreamTime } from './rule-pipeline.ts'
import { type TracedKey, TracingOperator } from './tracing-operator.ts'

/** An event to be explained, as text: its numbers keep their digits. */
export interface EventToExplain {
  readonly stream: string
  /** JSON. */
  readonly text: string
  /** Event time, epoch ms; default: the stream's time field. */
  readonly timestamp?: number
  /** What to call it; default: its place among the events as they were given, from 0. */
  readonly position?: number
}

export interface ExplainEventsOptions {
  /** The time of each stream of the rule. */
  readonly streams: ReadonlyMap<string, StreamTime>
  /** Whether ties of time go by arrival over all streams; default by stream. */
  readonly tiesByArrival?: boolean
  /** Time to which to go on, epoch ms; infinity: the end of input. Default: the last event's. */
  readonly until?: number
  /** Which keys to tell of, by their values even where they are redacted; default all. */
  readonly selects?: (by: Readonly<Record<string, JsonValue>>) => boolean
}

/** What a rule made of events, as plain data. */
export interface ExplainedRun {
  /** In order of their first events. */
  readonly keys: readonly ExplainedKey[]
  /** Those that `selects` left out. */
  readonly otherKeys: readonly ExplainedKey['by'][]
  /** Events that reached no key, in order. */
  readonly leftOut: readonly LeftOutEvent[]
  /** Matches and timeouts that raised no alert, in order. */
  readonly suppressed: readonly {
    readonly by: string
    readonly title: string
    readonly eventTime: number
  }[]
  /** Titles and event times of alerts, in order. */
  readonly alerts: readonly { readonly title: string; readonly eventTime: number }[]
  /** Time at which the run stopped, epoch ms; `null`: at the end of input, or without events. */
  readonly until: number | null
}

export interface ExplainedKey {
  readonly by: Readonly<Record<string, JsonValue>>
  /** How many events came for it. */
  readonly events: number
  /** Positions of those that the rule's `filter` hides. */
  readonly filteredOut: readonly number[]
  /** Positions of first events that `limit` refused. */
  readonly refused: readonly number[]
  /**
   * How far each partial match got; those that only went on to take more are left out. Where
   * nothing began, one that took nothing, with what kept the events from beginning it.
   */
  readonly paths: readonly ExplainedPath[]
}

export interface LeftOutEvent {
  /** Position among the events as they were given, from 0. */
  readonly position: number
  readonly reason: string
  /** Streams that the rule does not read give `other_stream`. */
  readonly kind: RejectionKind | 'other_stream'
}

/** Runs events through a rule and tells of each key how far its partial matches got, and why no further. */
export function explainEvents(
  checked: CheckedRule,
  events: readonly EventToExplain[],
  options: ExplainEventsOptions,
): ExplainedRun {
  const run = new ExplainingRun(checked, options)
  run.feed(events)
  return run.result()
}

type FoundAlert = Pick<Alert, 'title' | 'eventTime' | 'key'>

const nothingHidden: ReadonlyMap<string, string> = new Map()

class ExplainingRun {
  readonly #checked: CheckedRule
  readonly #options: ExplainEventsOptions
  readonly #virtual: VirtualRun
  readonly #alerts: FoundAlert[] = []
  readonly #suppressed: (FoundAlert & { readonly by: string })[] = []
  readonly #leftOut: LeftOutEvent[] = []
  #operator: TracingOperator | null = null
  #reader: PathReader | null = null
  #until = -Infinity

  constructor(checked: CheckedRule, options: ExplainEventsOptions) {
    this.#checked = checked
    this.#options = options
    const { expressions, templates, generated, redact } = checked
    const live = {
      rule: { ...checked.rule, mode: 'live' as const },
      expressions,
      templates,
      generated,
      redact,
    }
    const pipeline = compileRules([live], {
      streams: options.streams,
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: new ManualClock(),
      metrics: new MetricGroup(),
      tiesByArrival: options.tiesByArrival ?? false,
      onExpressionError: () => {},
      sideOutput: ({ kind, offset, reason }) =>
        this.#leftOut.push({ kind, position: offset, reason }),
      createOperator: ({ patterns: [pattern] }, output) => {
        assert(pattern !== undefined, 'one rule has one pattern')
        this.#operator = new TracingOperator(pattern, output)
        this.#reader = new PathReader(checked, pattern.nfa.compiled)
        return this.#operator
      },
      alerts: {
        alert: (alert) => this.#alerts.push(alert),
        suppressed: ({ alert, by }) => {
          const what = by.kind === 'dedupe' ? by.kind : by.name
          const { title, eventTime, key } = alert
          this.#suppressed.push({ by: what, title, eventTime, key })
        },
        droppedMatches: () => {},
        refusedEvent: () => {},
      },
    })
    this.#virtual = new VirtualRun(pipeline.sources)
  }

  feed(events: readonly EventToExplain[]): void {
    for (const [place, { stream, text, timestamp, position = place }] of events.entries()) {
      if (!this.#checked.rule.from.includes(stream)) {
        const reason = `the rule reads no stream '${stream}'`
        this.#leftOut.push({ kind: 'other_stream', position, reason })
      } else this.#virtual.offerText(stream, text, position, timestamp)
    }
    this.#until = this.#options.until ?? this.#virtual.greatestTimestamp
    this.#virtual.advance(this.#until)
  }

  result(): ExplainedRun {
    const { selects = () => true } = this.#options
    const traced = (this.#operator as TracingOperator).keys
    const told = traced.filter((key) => selects(this.#keyOf(key, nothingHidden)))
    const others = traced.filter((key) => !told.includes(key))
    const hidden = redactedKeysOf(this.#checked.rule, this.#checked.redact)
    const keysTold = new Set(told.map(({ key }) => key))
    const isTold = ({ key }: FoundAlert) => keysTold.has(key)
    return {
      keys: told.map((key) => this.#explainKey(key, hidden)),
      otherKeys: others.map((key) => this.#keyOf(key, hidden)),
      leftOut: this.#leftOut.sort((a, b) => a.position - b.position),
      suppressed: this.#suppressed.filter(isTold).map(({ by, title, eventTime }) => {
        return { by, title, eventTime }
      }),
      alerts: this.#alerts.filter(isTold).map(({ title, eventTime }) => ({ title, eventTime })),
      until: Number.isFinite(this.#until) ? this.#until : null,
    }
  }

  #explainKey(traced: TracedKey, hidden: ReadonlyMap<string, string>): ExplainedKey {
    const { events, refused } = traced
    return {
      by: this.#keyOf(traced, hidden),
      events: events.length,
      filteredOut: events.filter(({ exists }) => !exists).map(({ event }) => event.offset),
      refused: refused.map(({ offset }) => offset),
      paths: (this.#reader as PathReader).read(traced),
    }
  }

  #keyOf({ key }: TracedKey, hidden: ReadonlyMap<string, string>): ExplainedKey['by'] {
    const values = decodeKey(key)
    return Object.fromEntries(
      this.#checked.rule.by.map(({ name }, part) => [
        name,
        hidden.has(name) ? redacted : (values[part] as JsonValue),
      ]),
    )
  }
}
