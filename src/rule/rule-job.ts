import type { Source } from '../connector/source.ts'
import type { DecodePlan, Decoder } from '../decode/decoder.ts'
import type { ExpressionEnvironment } from '../expression/expression-environment.ts'
import { MetricGroup } from '../metrics.ts'
import type { SuppressedAlert } from '../operator/alert-operator.ts'
import type { DeadLetterCause, RejectedEvent, SideOutput } from '../operator/side-output.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import { openReaders, type StreamInput } from '../runtime/open-readers.ts'
import { defaultSorterCapBytes, SorterCap, type SorterCapExceeded } from '../runtime/sorter-cap.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import { StreamTask } from '../runtime/stream-task.ts'
import type { Alert } from '../stream/alert.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import type { CheckedRule } from './expression-check.ts'
import type { ExpressionErrorReport } from './expression-errors.ts'
import { compileRules, type RulePipeline, type StreamTime } from './rule-pipeline.ts'

/** A stream that a job reads. */
export interface JobStream {
  readonly source: Source
  readonly time: StreamTime
}

export interface RuleJobOptions {
  readonly rules: readonly CheckedRule[]
  readonly streams: ReadonlyMap<string, JobStream>
  readonly createDecoder: (plan: DecodePlan) => Decoder
  readonly environment: ExpressionEnvironment
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Takes the alerts of a batch, in order; awaited before the next batch. */
  readonly deliver: (alerts: readonly JobAlert[]) => Promise<void>
  readonly onSuppressed: (suppressed: SuppressedAlert) => void
  readonly sideOutput: SideOutput
  readonly onExpressionError: (report: ExpressionErrorReport) => void
  /** Called after each batch. */
  readonly onProgress: (progress: JobProgress) => void
  readonly isStopped: () => boolean
  /** What the sorters may hold together, bytes; default 256 MiB. */
  readonly sorterCapBytes?: number
  /** Told once, when more had to be held; default: only the summary tells. */
  readonly onSorterCapExceeded?: (exceeded: SorterCapExceeded) => void
  /** Only events in [from, to) count, epoch ms. */
  readonly from?: number
  readonly to?: number
}

/** An alert with its document, which is made when it is asked for. */
export interface JobAlert {
  readonly alert: Alert
  readonly document: () => string
}

export interface JobProgress {
  readonly bytesRead: number
  /** Undefined where a source does not know its end. */
  readonly bytesTotal: number | undefined
  readonly events: number
  readonly alerts: number
  /** The least watermark of the splits that hold time, epoch ms; infinity: none does. */
  readonly eventTime: number
}

/** What became of everything that a job read. */
export interface JobSummary {
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
  /** Conditions that had no value for some events, in order of rules. */
  readonly expressionErrors: readonly ExpressionErrorReport[]
  /** Keys with something open at the end. */
  readonly openKeys: number
  /** The most that the sorters held after a batch, roughly, bytes. */
  readonly bufferedBytesMax: number
}

/**
 * Runs rules over their streams until all of them have ended.
 * @throws {TocsinError} what a source or `deliver` throws
 */
export async function runRuleJob(options: RuleJobOptions): Promise<JobSummary> {
  const job = new RuleJob(options)
  return await job.run()
}

class RuleJob {
  readonly #options: RuleJobOptions
  readonly #metrics = new MetricGroup()
  readonly #pipeline: RulePipeline
  readonly #alertsByRule = new Map<string, number>()
  readonly #suppressedByRule = new Map<string, number>()
  readonly #deadLettersByCause = new Map<DeadLetterCause, number>()
  readonly #sorterCap: SorterCap
  #pending: JobAlert[] = []
  #delivery: Promise<void> = Promise.resolve()
  #alerts = 0
  #readers: SplitReader[] = []

  constructor(options: RuleJobOptions) {
    this.#options = options
    for (const { rule } of options.rules) this.#alertsByRule.set(rule.id, 0)
    this.#pipeline = compileRules(options.rules, {
      ...options,
      streams: new Map([...options.streams].map(([name, { time }]) => [name, time])),
      metrics: this.#metrics,
      sideOutput: (rejected) => this.#leaveOut(rejected),
      alerts: {
        alert: (alert, document) => this.#take(alert, document),
        suppressed: (suppressed) => this.#noteSuppressed(suppressed),
        droppedMatches: (rule, count) =>
          this.#metrics.counter(`dropped_matches.${rule}`).increment(count),
        refusedEvent: (rule) => this.#metrics.counter(`refused_events.${rule}`).increment(),
      },
    })
    this.#sorterCap = new SorterCap({
      bufferedBytes: () => this.#pipeline.bufferedBytes(),
      capBytes: options.sorterCapBytes ?? defaultSorterCapBytes,
      onExceeded: options.onSorterCapExceeded ?? (() => undefined),
    })
  }

  async run(): Promise<JobSummary> {
    this.#readers = await openReaders(this.#inputs(), this.#options.clock)
    const task = new StreamTask(this.#readers, {
      clock: this.#options.clock,
      scheduler: this.#options.scheduler,
      isStopped: this.#options.isStopped,
      sorterCap: this.#sorterCap,
      afterBatch: () => this.#afterBatch(),
    })
    try {
      await task.run()
      await this.#flush()
      await this.#delivery
    } finally {
      await this.#delivery.catch(() => {})
      await task.close()
    }
    return this.#summary()
  }

  #inputs(): StreamInput[] {
    return [...this.#pipeline.sources].map(([stream, operator]) => {
      const { source, time } = this.#options.streams.get(stream) as JobStream
      return { stream, source, operator, watermarks: time.watermarks }
    })
  }

  #take(alert: Alert, document: () => string): void {
    this.#alerts++
    this.#alertsByRule.set(alert.rule, (this.#alertsByRule.get(alert.rule) ?? 0) + 1)
    this.#pending.push({ alert, document })
  }

  #noteSuppressed(suppressed: SuppressedAlert): void {
    const { rule } = suppressed.alert
    this.#suppressedByRule.set(rule, (this.#suppressedByRule.get(rule) ?? 0) + 1)
    this.#options.onSuppressed(suppressed)
  }

  #leaveOut(rejected: RejectedEvent): void {
    const { cause } = rejected
    if (cause !== undefined) {
      this.#deadLettersByCause.set(cause, (this.#deadLettersByCause.get(cause) ?? 0) + 1)
    }
    this.#options.sideOutput(rejected)
  }

  async #afterBatch(): Promise<void> {
    await this.#flush()
    this.#options.onProgress(this.#progress())
  }

  /** Hands alerts over when those before have been taken: one batch is under way at most. */
  async #flush(): Promise<void> {
    if (this.#pending.length === 0) return
    await this.#delivery
    const alerts = this.#pending
    this.#pending = []
    this.#delivery = this.#options.deliver(alerts)
    // Its failure is thrown by whoever waits for it; until then it must not be "unhandled".
    this.#delivery.catch(() => {})
  }

  #progress(): JobProgress {
    let bytesRead = 0
    let bytesTotal: number | undefined = 0
    let eventTime = Infinity
    for (const { reader, ended, idle, watermark } of this.#readers) {
      const { read, total } = reader.progress()
      bytesRead += read
      bytesTotal = total === undefined || bytesTotal === undefined ? undefined : bytesTotal + total
      if (!ended && !idle) eventTime = Math.min(eventTime, watermark)
    }
    return { bytesRead, bytesTotal, events: this.#events(), alerts: this.#alerts, eventTime }
  }

  #events(): number {
    return sumOf(this.#pipeline.sources, (source) => source.counts.events)
  }

  #summary(): JobSummary {
    const { sources } = this.#pipeline
    return {
      events: this.#events(),
      late: sumOf(sources, (source) => source.counts.late),
      lateAfterIdle: sumOf(sources, (source) => source.counts.lateAfterIdle),
      deadLetters: sumOf(sources, (source) => source.counts.deadLetters),
      deadLettersByCause: this.#deadLettersByCause,
      outOfRange: sumOf(sources, (source) => source.counts.outOfRange),
      alertsByRule: this.#alertsByRule,
      suppressedByRule: this.#suppressedByRule,
      metrics: this.#metrics.snapshot(),
      expressionErrors: this.#pipeline.expressionErrors(),
      openKeys: this.#pipeline.openKeys(),
      bufferedBytesMax: this.#sorterCap.bufferedBytesMax,
    }
  }
}

function sumOf(
  sources: ReadonlyMap<string, SourceOperator>,
  count: (source: SourceOperator) => number,
): number {
  let sum = 0
  for (const source of sources.values()) sum += count(source)
  return sum
}
