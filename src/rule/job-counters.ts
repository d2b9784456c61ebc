import type { SourceReader } from '../connector/source.ts'
import { MetricGroup } from '../metrics.ts'
import type { DeadLetterCause, RejectedEvent } from '../operator/side-output.ts'
import type { SourceCounts, SourceOperator } from '../operator/source-operator.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { JobCounts } from './job-checkpoints.ts'

/** What became of everything that a job has read, in all its lives. */
export interface JobTotals {
  /** Events that were offered to the rules: those without the key of one are dead letters. */
  readonly events: number
  readonly late: number
  readonly lateAfterIdle: number
  readonly deadLetters: number
  readonly deadLettersByCause: ReadonlyMap<DeadLetterCause, number>
  /** Outside of the stretch that was asked for. */
  readonly outOfRange: number
  readonly alertsByRule: ReadonlyMap<string, number>
  readonly suppressedByRule: ReadonlyMap<string, number>
  readonly metrics: ReadonlyMap<string, number>
}

/** Counts what a job does; checkpoints keep it. */
export class JobCounters implements JobCounts {
  readonly metrics = new MetricGroup()
  readonly #sources: () => ReadonlyMap<string, SourceOperator>
  readonly #alertsByRule = new Map<string, number>()
  readonly #suppressedByRule = new Map<string, number>()
  readonly #deadLettersByCause = new Map<DeadLetterCause, number>()
  /** What readers had left out when they were last asked. */
  readonly #leftOut = new WeakMap<SourceReader, Readonly<Record<string, number>>>()
  #alerts = 0

  /** @param sources what counts events, by stream */
  constructor(sources: () => ReadonlyMap<string, SourceOperator>) {
    this.#sources = sources
  }

  get alerts(): number {
    return this.#alerts
  }

  get events(): number {
    return this.#sum((counts) => counts.events)
  }

  /** A rule that has found nothing is counted too. */
  addRule(rule: string): void {
    if (!this.#alertsByRule.has(rule)) this.#alertsByRule.set(rule, 0)
  }

  noteAlert(rule: string): void {
    this.#alerts++
    raise(this.#alertsByRule, rule)
  }

  noteSuppressed(rule: string): void {
    raise(this.#suppressedByRule, rule)
  }

  noteRejected({ cause }: RejectedEvent): void {
    if (cause !== undefined) raise(this.#deadLettersByCause, cause)
  }

  noteDroppedMatches(rule: string, count: number): void {
    this.metrics.counter(`dropped_matches.${rule}`).increment(count)
  }

  /** @param reader whose records they are, with how many it has left out since it was opened */
  noteLeftOut(reader: SourceReader): void {
    const noted = this.#leftOut.get(reader) ?? {}
    const leftOut = reader.leftOut?.() ?? {}
    for (const [reason, count] of Object.entries(leftOut)) {
      const more = count - (noted[reason] ?? 0)
      if (more > 0) this.metrics.counter(`left_out.${reason}`).increment(more)
    }
    this.#leftOut.set(reader, { ...leftOut })
  }

  noteRefusedEvent(rule: string): void {
    this.metrics.counter(`refused_events.${rule}`).increment()
  }

  totals(): JobTotals {
    return {
      events: this.events,
      late: this.#sum(({ late }) => late),
      lateAfterIdle: this.#sum(({ lateAfterIdle }) => lateAfterIdle),
      deadLetters: this.#sum(({ deadLetters }) => deadLetters),
      deadLettersByCause: this.#deadLettersByCause,
      outOfRange: this.#sum(({ outOfRange }) => outOfRange),
      alertsByRule: this.#alertsByRule,
      suppressedByRule: this.#suppressedByRule,
      metrics: this.metrics.snapshot(),
    }
  }

  save(): JsonValue {
    return {
      alerts: this.#alerts,
      alertsByRule: [...this.#alertsByRule],
      suppressedByRule: [...this.#suppressedByRule],
      deadLettersByCause: [...this.#deadLettersByCause],
      metrics: [...this.metrics.snapshot()],
      sources: [...this.#sources()].map(([stream, { counts }]) => [stream, { ...counts }]),
    }
  }

  restore(form: JsonValue): void {
    const saved = form as unknown as SavedCounts
    this.#alerts = saved.alerts
    for (const [rule, count] of saved.alertsByRule) this.#alertsByRule.set(rule, count)
    for (const [rule, count] of saved.suppressedByRule) this.#suppressedByRule.set(rule, count)
    for (const [cause, count] of saved.deadLettersByCause) {
      this.#deadLettersByCause.set(cause, count)
    }
    for (const [name, count] of saved.metrics) this.metrics.counter(name).value = count
    for (const [stream, counts] of saved.sources) {
      Object.assign(this.#sources().get(stream)?.counts ?? {}, counts)
    }
  }

  #sum(count: (counts: SourceCounts) => number): number {
    let sum = 0
    for (const { counts } of this.#sources().values()) sum += count(counts)
    return sum
  }
}

interface SavedCounts {
  readonly alerts: number
  readonly alertsByRule: readonly (readonly [string, number])[]
  readonly suppressedByRule: readonly (readonly [string, number])[]
  readonly deadLettersByCause: readonly (readonly [DeadLetterCause, number])[]
  readonly metrics: readonly (readonly [string, number])[]
  readonly sources: readonly (readonly [string, SourceCounts])[]
}

function raise<Name>(counts: Map<Name, number>, name: Name): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
