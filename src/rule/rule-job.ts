import type { CheckpointCoordinator } from '../checkpoint/checkpoint-coordinator.ts'
import { DiskKeyedStateBackend } from '../checkpoint/disk-keyed-state-backend.ts'
import { StateCache } from '../checkpoint/state-cache.ts'
import type { Source } from '../connector/source.ts'
import type { DecodePlan, Decoder } from '../decode/decoder.ts'
import { type ConnectorError, TocsinError } from '../errors.ts'
import type { ExpressionEnvironment } from '../expression/expression-environment.ts'
import { MetricGroup } from '../metrics.ts'
import type { SuppressedAlert } from '../operator/alert-operator.ts'
import type { SideOutput } from '../operator/side-output.ts'
import { openReaders, type StreamInput } from '../runtime/open-readers.ts'
import { defaultSorterCapBytes, SorterCap, type SorterCapExceeded } from '../runtime/sorter-cap.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import { StreamTask } from '../runtime/stream-task.ts'
import type { Alert } from '../stream/alert.ts'
import type { Split } from '../stream/event.ts'
import { type Clock, type Scheduler, steadyClock } from '../time/clock.ts'
import { doneBefore, neverStopped, type StopSignal } from '../time/stop-signal.ts'
import type { CheckedRule } from './expression-check.ts'
import type { ExpressionErrorReport } from './expression-errors.ts'
import { type JobCheckpoints, type JobDurability, openJobCheckpoints } from './job-checkpoints.ts'
import { JobCounters, type JobTotals } from './job-counters.ts'
import type { JobMetrics } from './job-metrics.ts'
import type { RuleReplacement } from './rule-operator.ts'
import {
  compileRules,
  type RulePipeline,
  type RulePipelineOptions,
  type StreamTime,
} from './rule-pipeline.ts'

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
  /** Told what keeps a split's records from coming, and, by undefined, that they come again. */
  readonly onSourceProblem?: (split: Split, problem: string | undefined) => void
  /** Called after each batch. */
  readonly onProgress: (progress: JobProgress) => void
  /** Default: it runs until all streams have ended. */
  readonly stop?: StopSignal
  /** Called between batches of a job without checkpoints; what it gives is waited for. */
  readonly betweenBatches?: () => Promise<void> | undefined
  /** Told of each failure to open a source that may pass, and after how long, ms, it is tried again. */
  readonly onSourceRetry?: (failure: ConnectorError, waitMs: number) => void
  /** What the sorters may hold together, bytes; default 256 MiB. */
  readonly sorterCapBytes?: number
  /** Told once, when more had to be held; default: only the summary tells. */
  readonly onSorterCapExceeded?: (exceeded: SorterCapExceeded) => void
  /** Default: what the job knows ends with its process. */
  readonly durability?: JobDurability
  /** Given what the running job can be asked for, before it reads anything. */
  readonly onStarted?: (job: RunningJob) => void
  /** Only events in [from, to) count, epoch ms. */
  readonly from?: number
  readonly to?: number
}

/** What a running job can be asked for. */
export interface RunningJob {
  /** How it stands now. */
  metrics(): JobMetrics
  /**
   * Goes on with other rules (D12), between two batches, and has a checkpoint taken that knows of it:
   * see `RulePipeline.replaceRules`. Of calls that wait for their turn only the last one counts.
   * @throws {TocsinError} RULE_PATTERN: a rule means nothing, and nothing is replaced; USAGE: others
   *   have come since, or the job has ended
   */
  replaceRules(rules: readonly CheckedRule[]): Promise<RulesReplaced>
}

/** What a change of rules has done. */
export interface RulesReplaced extends RuleReplacement {
  /** How long the stream waited for it, ms of processing time. */
  readonly pauseMs: number
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

/**
 * How a run of a job came to its end: all streams have ended; it was stopped, and with durability
 * goes on from a last checkpoint; or it was stopped and could not finish in time: alerts still wait
 * for their sinks (in the last checkpoint, if there are checkpoints), or that was not taken.
 */
export type JobEnd = 'ended' | 'stopped' | 'unsent' | 'not_taken'

/** What became of everything that a job read. */
export interface JobSummary extends JobTotals {
  readonly end: JobEnd
  /** Conditions that had no value for some events, in order of rules. */
  readonly expressionErrors: readonly ExpressionErrorReport[]
  /** Keys with something open at the end. */
  readonly openKeys: number
  /** The most that the sorters held after a batch, roughly, bytes. */
  readonly bufferedBytesMax: number
}

/**
 * Runs rules over their streams until all of them have ended, or it is stopped. A stopped job reads
 * no further, and time stays where it is; what it found is delivered.
 * @throws {TocsinError} what a source or `deliver` throws
 */
export async function runRuleJob(options: RuleJobOptions): Promise<JobSummary> {
  const job = new RuleJob(options)
  return await job.run()
}

class RuleJob {
  readonly #options: RuleJobOptions
  readonly #steadyClock: Clock
  readonly #counters: JobCounters
  readonly #pipeline: RulePipeline
  readonly #sorterCap: SorterCap
  #pending: JobAlert[] = []
  #delivery: Promise<void> = Promise.resolve()
  #isDelivering = false
  #readers: SplitReader[] = []
  #checkpoints: JobCheckpoints | null = null
  /** The rules to go on with. */
  #replacement: RequestedReplacement | null = null
  /** Nobody looks for others any more. */
  #hasEnded = false

  constructor(options: RuleJobOptions) {
    this.#options = options
    this.#steadyClock = steadyClock(options.clock)
    const counters = new JobCounters(() => this.#pipeline.sources)
    this.#counters = counters
    for (const { rule } of options.rules) counters.addRule(rule.id)
    const { durability } = options
    const cache = durability === undefined ? null : new StateCache(durability.cacheBytes)
    this.#pipeline = compileRules(options.rules, {
      ...this.#pipelineOptions(counters.metrics),
      ...(cache === null ? {} : { createBackend: () => new DiskKeyedStateBackend(cache) }),
    })
    this.#sorterCap = new SorterCap({
      bufferedBytes: () => this.#pipeline.bufferedBytes(),
      capBytes: options.sorterCapBytes ?? defaultSorterCapBytes,
      onExceeded: options.onSorterCapExceeded ?? (() => undefined),
    })
  }

  #pipelineOptions(metrics: MetricGroup): RulePipelineOptions {
    const options = this.#options
    const counters = this.#counters
    return {
      ...options,
      streams: new Map([...options.streams].map(([name, { time }]) => [name, time])),
      metrics,
      sideOutput: (rejected) => {
        counters.noteRejected(rejected)
        options.sideOutput(rejected)
      },
      alerts: {
        alert: (alert, document) => {
          counters.noteAlert(alert.rule)
          this.#pending.push({ alert, document })
        },
        suppressed: (suppressed) => {
          counters.noteSuppressed(suppressed.alert.rule)
          options.onSuppressed(suppressed)
        },
        droppedMatches: (rule, count) => counters.noteDroppedMatches(rule, count),
        refusedEvent: (rule) => counters.noteRefusedEvent(rule),
      },
    }
  }

  async run(): Promise<JobSummary> {
    const { durability } = this.#options
    if (durability === undefined) return this.#summary(await this.#runOnce(null))
    const checkpoints = await this.#open(durability)
    if (checkpoints === null) return this.#summary('stopped')
    try {
      if (!checkpoints.isFinished) return this.#summary(await this.#runOnce(checkpoints))
      await checkpoints.restore([], this.#counters)
      const settled = checkpoints.settle(this.#counters, this.#host)
      const isSettled = await doneBefore(this.#stop.overdue, settled)
      return this.#summary(isSettled ? 'ended' : 'unsent')
    } catch (failure) {
      throw await checkpoints.suspect(failure)
    } finally {
      await checkpoints.close()
    }
  }

  /** What waits and is due goes by a clock that never goes back. */
  get #host() {
    return { clock: this.#steadyClock, scheduler: this.#options.scheduler, stop: this.#stop }
  }

  get #stop(): StopSignal {
    return this.#options.stop ?? neverStopped
  }

  /** `null`: it was stopped while a sink was waited for. */
  async #open(durability: JobDurability): Promise<JobCheckpoints | null> {
    const opening = openJobCheckpoints(durability, this.#pipeline, this.#options.scheduler)
    if (await doneBefore(this.#stop.asked, opening)) return await opening
    const closed = opening.then(
      (checkpoints) => checkpoints.close(),
      () => undefined,
    )
    // A closed outbox waits for its sink no longer.
    for (const outbox of durability.outboxes.values()) outbox.close().catch(() => undefined)
    await doneBefore(this.#stop.overdue, closed)
    return null
  }

  async #runOnce(checkpoints: JobCheckpoints | null): Promise<JobEnd> {
    const { clock, onSourceRetry, onSourceProblem } = this.#options
    const host = this.#host
    const onRetry = onSourceRetry ?? (() => undefined)
    // Records are stamped with the time of day.
    const readers = await openReaders(this.#inputs(checkpoints), { ...host, clock, onRetry })
    if (readers === null) return 'stopped'
    this.#readers = readers
    this.#checkpoints = checkpoints
    let coordinator: CheckpointCoordinator | null = null
    const task = new StreamTask(readers, {
      ...host,
      isStopped: () => this.#stop.asked.aborted,
      sorterCap: this.#sorterCap,
      ...(checkpoints === null ? {} : { settle: () => this.#pipeline.settle() }),
      afterBatch: () => this.#afterBatch(),
      beforeTurn: () => this.#beforeTurn(coordinator),
      nextTurn: () => coordinator?.dueAt ?? this.#nextLook(),
      ...(onSourceProblem === undefined ? {} : { onProblem: onSourceProblem }),
    })
    try {
      await checkpoints?.restore(readers, this.#counters)
      coordinator = checkpoints?.start(readers, this.#counters, host) ?? null
      this.#options.onStarted?.({
        metrics: () => this.#metrics(),
        replaceRules: (rules) => this.#requestRules(rules),
      })
      await task.run()
      return await this.#finish(coordinator)
    } finally {
      this.#hasEnded = true
      this.#replacement?.reject(jobEnded())
      await doneBefore(this.#stop.overdue, this.#close(task))
    }
  }

  /** By when it looks whether it is to stop, epoch ms. */
  #nextLook(): number {
    return this.#options.stop === undefined ? Infinity : this.#steadyClock.now() + lookMs
  }

  /** Delivers what is left, and takes the last checkpoint. */
  async #finish(coordinator: CheckpointCoordinator | null): Promise<JobEnd> {
    const { overdue } = this.#stop
    await this.#flushAll(overdue)
    const isDelivered = await doneBefore(overdue, this.#delivery)
    if (!isDelivered || this.#pending.length > 0) return 'unsent'
    const isEnd = this.#readers.every(({ ended }) => ended)
    const last = (await coordinator?.finish(isEnd)) ?? 'settled'
    if (last !== 'settled') return last
    return isEnd ? 'ended' : 'stopped'
  }

  async #close(task: StreamTask): Promise<void> {
    await this.#delivery.catch(() => {})
    await task.close()
  }

  /** Also where nothing is read: time may have found something, a checkpoint may be due. */
  async #beforeTurn(coordinator: CheckpointCoordinator | null): Promise<void> {
    await this.#flush(this.#stop.asked)
    for (const { reader } of this.#readers) this.#counters.noteLeftOut(reader)
    if (coordinator === null) await this.#options.betweenBatches?.()
    if (this.#replacement !== null) this.#replaceRules(this.#replacement, coordinator)
    // A checkpoint must not go past what was found.
    if (coordinator === null || this.#pending.length > 0) return
    await this.#delivery
    await coordinator.betweenBatches()
  }

  async #requestRules(rules: readonly CheckedRule[]): Promise<RulesReplaced> {
    // What cannot be compiled must not stop half way through.
    const known = new Set(this.#pipeline.fingerprints)
    const fresh = rules.filter(({ rule }) => !known.has(rule.fingerprint))
    compileRules(fresh, this.#pipelineOptions(new MetricGroup()))
    if (this.#hasEnded) throw jobEnded()
    return await new Promise((resolve, reject) => {
      this.#replacement?.reject(new TocsinError('USAGE', 'other rules have come since'))
      this.#replacement = { rules, resolve, reject }
    })
  }

  #replaceRules(
    { rules, resolve }: RequestedReplacement,
    coordinator: CheckpointCoordinator | null,
  ): void {
    const { clock } = this.#options
    const startedAt = clock.now()
    this.#replacement = null
    for (const { rule } of rules) {
      this.#counters.addRule(rule.id)
    }
    const replacement = this.#pipeline.replaceRules(rules)
    if (coordinator !== null) {
      this.#checkpoints?.openOperators()
      coordinator.request()
    }
    resolve({ ...replacement, pauseMs: clock.now() - startedAt })
  }

  #inputs(checkpoints: JobCheckpoints | null): StreamInput[] {
    return [...this.#pipeline.sources].map(([stream, operator]) => {
      const { source, time } = this.#options.streams.get(stream) as JobStream
      const positions = checkpoints?.positionsOf(stream)
      const input = { stream, source, operator, watermarks: time.watermarks }
      return positions === undefined ? input : { ...input, positions }
    })
  }

  async #afterBatch(): Promise<void> {
    await this.#flush(this.#stop.asked)
    this.#options.onProgress(this.#progress())
  }

  /** Hands alerts over, but for a few that may wait until those before have been taken. */
  async #flush(until: AbortSignal): Promise<void> {
    // A checkpoint waits for all.
    const mayWait = this.#checkpoints === null && this.#pending.length < waitingAlertsMax
    if (this.#isDelivering && mayWait) return
    await this.#flushAll(until)
  }

  /**
   * Hands alerts over when those before have been taken: one batch is under way at most. Waits for
   * that only until the signal is aborted.
   */
  async #flushAll(until: AbortSignal): Promise<void> {
    if (this.#pending.length === 0 || !(await doneBefore(until, this.#delivery))) return
    const alerts = this.#pending
    this.#pending = []
    this.#isDelivering = true
    this.#delivery = this.#options.deliver(alerts).finally(() => {
      this.#isDelivering = false
    })
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
    return {
      bytesRead,
      bytesTotal,
      events: this.#counters.events,
      alerts: this.#counters.alerts,
      eventTime,
    }
  }

  #summary(end: JobEnd): JobSummary {
    return {
      ...this.#counters.totals(),
      end,
      expressionErrors: this.#pipeline.expressionErrors(),
      openKeys: this.#pipeline.openKeys(),
      bufferedBytesMax: this.#sorterCap.bufferedBytesMax,
    }
  }

  #metrics(): JobMetrics {
    const { sources } = this.#pipeline
    return {
      ...this.#counters.totals(),
      countsByStream: new Map([...sources].map(([stream, { counts }]) => [stream, { ...counts }])),
      splits: this.#readers.map(({ reader, watermark, idle, ended, problem }) => {
        const { read, total } = reader.progress()
        const backlog = total === undefined ? undefined : Math.max(0, total - read)
        return { ...reader.split, watermark, idle, ended, problem, backlog }
      }),
      openKeys: this.#pipeline.openKeys(),
      sorterBytes: this.#pipeline.bufferedBytes(),
    }
  }
}

/** So many alerts may wait for those before them without holding up the stream. */
const waitingAlertsMax = 1000

/** How long a source may keep a job waiting before it looks whether it is to stop, ms. */
const lookMs = 100

function jobEnded(): TocsinError {
  return new TocsinError('USAGE', 'the job has ended')
}

interface RequestedReplacement {
  readonly rules: readonly CheckedRule[]
  readonly resolve: (replaced: RulesReplaced) => void
  readonly reject: (failure: TocsinError) => void
}
